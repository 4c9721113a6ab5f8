//! `kill -9` under load: whatever was acknowledged is there afterwards, and
//! nothing is handed out twice.
//!
//! The checker keeps its own record of every answer; what was released and
//! acknowledged must stay released. `WIPAM_KILLS` says how
//! often the daemon is killed (5; `.ci/run --long` says 50).

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

use ipam_tests::{daemon::Daemon, http::Client};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

const CONNECTIONS: usize = 64;
const POOL_ID: &str = "LocalDefault/10.0.0.0/12";

/// What callers hold, and what nobody can know: asked, and never answered.
#[derive(Default)]
struct Books {
    held: BTreeSet<String>,
    /// Releases without an answer: held or not.
    unsure: BTreeSet<String>,
    /// Requests without an answer: each may hold one address.
    unanswered: usize,
    /// Grants and releases that were acknowledged.
    answered: usize,
}

fn post(client: &mut Client, call: &str, body: &Value) -> Option<(u16, Value)> {
    let response = client.post(&format!("/IpamDriver.{call}"), &body.to_string()).ok()?;
    Some((response.status, response.body))
}

fn request_pool(client: &mut Client) {
    let body = json!({"AddressSpace": "LocalDefault", "Pool": "10.0.0.0/12"});
    assert_eq!(post(client, "RequestPool", &body).unwrap().0, 200);
}

/// Requests and releases until the daemon is gone.
fn load(socket: &Path, books: &Mutex<Books>, is_over: &AtomicBool) {
    let Ok(mut client) = Client::connect(socket) else { return };
    let mut mine = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let Some((status, body)) = post(&mut client, "RequestAddress", &json!({"PoolID": POOL_ID}))
        else {
            books.lock().unwrap().unanswered += 1;
            return;
        };
        assert_eq!(status, 200, "{body}");
        let address = body["Address"].as_str().unwrap().split('/').next().unwrap().to_owned();
        {
            let mut books = books.lock().unwrap();
            books.answered += 1;
            assert!(books.held.insert(address.clone()), "{address} was handed out twice");
        }
        mine.push(address);
        if mine.len() % 2 == 0 {
            let address = mine.swap_remove(mine.len() / 2);
            // Out of the books before it can be granted again.
            books.lock().unwrap().held.remove(&address);
            let body = json!({"PoolID": POOL_ID, "Address": address});
            match post(&mut client, "ReleaseAddress", &body) {
                Some((status, body)) => {
                    assert_eq!(status, 200, "{body}");
                    books.lock().unwrap().answered += 1;
                }
                None => {
                    books.lock().unwrap().unsure.insert(address);
                    return;
                }
            }
        }
    }
}

#[test]
fn a_daemon_killed_under_load_loses_nothing_and_repeats_nothing() {
    let kills = env::var("WIPAM_KILLS").map_or(5, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(directory.path(), &[]);
    request_pool(&mut daemon.client());
    let mut books = Books::default();
    let mut served = BTreeMap::new();
    for kill in 0..kills {
        let (socket, is_over) = (daemon.socket("wipam"), AtomicBool::new(false));
        let shared = Mutex::new(std::mem::take(&mut books));
        thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| load(&socket, &shared, &is_over));
            }
            thread::sleep(Duration::from_millis(150 + 37 * kill % 200));
            // SIGKILL; whoever waits for an answer sees its connection end.
            drop(daemon);
            is_over.store(true, Ordering::Relaxed);
        });
        books = shared.into_inner().unwrap();
        daemon = Daemon::start(directory.path(), &[]);
        check(&daemon, &mut books);
        served.insert(kill, books.answered);
        // Some of each: that nobody was cut short would test nothing.
        assert!(books.answered > 4 * CONNECTIONS, "no load before a kill: {served:?}");
        books.answered = 0;
    }
    println!("acknowledged before each kill: {served:?}");
}

/// Everything that is held is refused to others, and nothing else is, but for
/// what was under way at this kill: one address for each request without an
/// answer. What is under way is settled here, so that the next kill is judged
/// by itself.
fn check(daemon: &Daemon, books: &mut Books) {
    let mut client = daemon.client();
    let ask = |client: &mut Client, call: &str, address: &str| {
        let body = json!({"PoolID": POOL_ID, "Address": address});
        post(client, call, &body).unwrap()
    };
    for address in &books.held {
        let (status, body) = ask(&mut client, "RequestAddress", address);
        assert_eq!(status, 403, "{address} was acknowledged and is lost: {body}");
    }
    // The driver gives the lowest first: nothing is above what was ever held
    // at once, and the connections' own.
    let highest = books.held.len() + books.unsure.len() + 4 * CONNECTIONS;
    let mut unowned = 0;
    for host in 1..highest {
        let address = format!("10.0.{}.{}", host / 256, host % 256);
        if books.held.contains(&address) {
            continue;
        }
        let is_held = ask(&mut client, "RequestAddress", &address).0 == 403;
        // A release without an answer may have been made or not.
        unowned += usize::from(is_held && !books.unsure.contains(&address));
        assert_eq!(ask(&mut client, "ReleaseAddress", &address).0, 200);
    }
    assert!(
        unowned <= books.unanswered,
        "{unowned} addresses are held by nobody; {} requests had no answer",
        books.unanswered,
    );
    books.unsure.clear();
    books.unanswered = 0;
}
