//! `kill -9` under load: whatever was acknowledged is there afterwards, and
//! nothing is handed out twice.
//!
//! The checker keeps its own record of every answer; what was released and
//! acknowledged must stay released. `WIPAM_KILLS` says how
//! often the daemon is killed (5; `.ci/run --long` says 50).

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

use ipam_tests::{
    books::{Books, ask, request_pool},
    daemon::Daemon,
    http::Client,
};
use std::{
    collections::BTreeMap,
    env,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const CONNECTIONS: usize = 64;
/// How long a test waits for what is sure to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Requests and releases until the daemon is gone.
fn load(socket: &Path, books: &Mutex<Books>, is_over: &AtomicBool) {
    let Ok(mut client) = Client::connect(socket) else { return };
    let mut mine = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let Some((status, body)) = ask(&mut client, "RequestAddress", "") else {
            books.lock().unwrap().unanswered += 1;
            return;
        };
        assert_eq!(status, 200, "{body}");
        mine.push(books.lock().unwrap().granted(&body));
        if mine.len() % 2 == 0 {
            let address = mine.swap_remove(mine.len() / 2);
            // Out of the books before it can be granted again.
            books.lock().unwrap().held.remove(&address);
            match ask(&mut client, "ReleaseAddress", &address) {
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
            // Some of each: that nobody was cut short would test nothing. How
            // long that takes depends on what else the machine does.
            let begin = Instant::now();
            while shared.lock().unwrap().answered <= 4 * CONNECTIONS {
                assert!(begin.elapsed() < PATIENCE, "no load before a kill: {served:?}");
                thread::sleep(Duration::from_millis(5));
            }
            thread::sleep(Duration::from_millis(37 * kill % 200));
            // SIGKILL; whoever waits for an answer sees its connection end.
            drop(daemon);
            is_over.store(true, Ordering::Relaxed);
        });
        books = shared.into_inner().unwrap();
        daemon = Daemon::start(directory.path(), &[]);
        books.check(&mut daemon.client(), 4 * CONNECTIONS);
        served.insert(kill, books.answered);
        books.answered = 0;
    }
    println!("acknowledged before each kill: {served:?}");
}
