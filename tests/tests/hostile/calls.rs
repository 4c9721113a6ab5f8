//! Programs that are in service and misbehave when they are asked.

use crate::harness::{BOUND, Harness, LIMIT};
use ipam_tests::daemon::wait;
use serde_json::{Value, json};
use std::{fs, net::TcpListener, time::Instant};

/// Failures within a minute after which a driver is left alone.
const FAULTS: usize = 5;

/// What the operator reads when an answer is more than a host copies.
const COPIED: &str = "fuel allocated for hostcalls has been exhausted";

/// All that a caller is told of a driver that broke.
fn broke((status, body): &(u16, Value)) {
    let words = "IPAM Internal Error";
    assert_eq!((*status, body), (500, &json!({"Err": words, "Error": words})));
}

/// Asks until the driver is left alone, which is said at once and clearly.
fn is_left_alone(ask: &mut impl FnMut() -> (u16, Value)) {
    for _ in 0..4 {
        let begin = Instant::now();
        let (status, body) = ask();
        if status == 503 {
            assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
            let words = "the driver failed again and again and is out of service";
            assert!(body["Err"].as_str().unwrap().starts_with(words), "{body}");
            return;
        }
        broke(&(status, body));
    }
    panic!("it is never left alone");
}

/// Asks the driver, which breaks each time; the operator reads these words.
/// As often as a breaker bears, and it is left alone; its callers are told so
/// at once.
#[track_caller]
fn breaks(program: &str, call: &str, times: usize, words: &str) -> Harness {
    let harness = Harness::with(program, "");
    let body = match call {
        "RequestAddress" => json!({"PoolID": harness.pool(program)}),
        _ => json!({"AddressSpace": "zoo"}),
    };
    let mut client = harness.client(program);
    harness.beside(program, || {
        for _ in 0..times {
            let begin = Instant::now();
            broke(&client.ask(call, &body));
            assert!(begin.elapsed() < BOUND, "{program} had {:?}", begin.elapsed());
        }
    });
    let log = harness.daemon.log();
    let said = log.lines().filter(|line| line.contains("the driver failed")).count();
    assert_eq!(said, times, "{log}");
    assert!(log.contains(words), "{words:?} is not in {log}");
    if times == FAULTS {
        // On a busy machine the pause may be over before anybody looks; the
        // next is twice as long.
        let mut ask = || client.ask(call, &body);
        let left_alone = (0..4).find_map(|_| {
            is_left_alone(&mut ask);
            Some(harness.driver(program)).filter(|driver| driver["condition"] == "failing")
        });
        let driver = left_alone.expect("it is shown");
        let reason = driver["reason"].as_str().unwrap();
        assert!(reason.contains(words), "{program}: {reason}");
        println!("{program}: the operator reads: {}", reason.lines().last().unwrap());
        assert!(driver["paused_until"].is_string(), "{driver}");
    } else {
        wait(|| harness.driver(program)["condition"] == "serving");
        assert_eq!(harness.driver(program)["restarts"], times);
    }
    assert_eq!(harness.driver("default")["restarts"], 0);
    harness
}

#[test]
fn a_call_that_does_not_end_is_ended() {
    breaks("loops", "RequestAddress", FAULTS, "interrupt");
}

#[test]
fn who_looks_at_a_driver_does_not_wait_for_it_and_sees_afterwards_that_it_failed() {
    let harness = Harness::with("loops", "");
    let pool = harness.pool("loops");
    std::thread::scope(|scope| {
        let asks = scope.spawn(|| broke(&address(&harness, "loops", &pool)));
        wait(|| harness.driver("loops")["condition"] == "busy");
        asks.join().unwrap();
    });
    wait(|| harness.driver("loops")["restarts"] == 1);
    let driver = harness.driver("loops");
    assert_eq!(driver["condition"], "serving");
    assert!(driver["last_failure"].as_str().unwrap().contains("interrupt"), "{driver}");
}

#[test]
fn a_driver_has_the_limits_of_its_own_table() {
    let harness = Harness::with("loops", "[driver.limits]\ncall-ms = 200");
    let pool = harness.pool("loops");
    let begin = Instant::now();
    broke(&address(&harness, "loops", &pool));
    // On a busy machine it is late, but not by as much as that.
    assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
    assert!(harness.daemon.log().contains("took more than 200ms"));
}

#[test]
fn a_stack_has_an_end() {
    breaks("recurses", "RequestAddress", FAULTS, "request-address");
}

#[test]
fn memory_has_an_end() {
    let harness = breaks("memory", "RequestAddress", FAULTS, "request-address");
    let status = fs::read_to_string(format!("/proc/{}/status", harness.daemon.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("memory: the daemon had {} MiB at most", kib >> 10);
    // The guest's 64 MiB, and a generous rest for the daemon and its compiler.
    assert!(kib >> 10 < 64 + 512, "{peak}");
}

#[test]
fn tables_have_an_end() {
    breaks("tables", "RequestPool", FAULTS, "unreachable");
}

#[test]
fn a_string_that_its_memory_cannot_hold_is_none() {
    breaks("string", "RequestPool", FAULTS, "request-pool");
}

#[test]
fn a_string_is_not_copied_when_it_is_too_long() {
    breaks("copies", "RequestPool", FAULTS, COPIED);
}

#[test]
fn a_list_is_not_copied_when_it_is_too_long() {
    breaks("elements", "RequestPool", FAULTS, COPIED);
}

#[test]
fn a_prefix_has_the_lengths_of_its_family() {
    breaks("prefix", "RequestPool", FAULTS, "the prefix length 200 with 10.0.0.0");
}

#[test]
fn a_pool_is_of_the_family_that_was_asked_for() {
    breaks("family", "RequestPool", FAULTS, "of the family that was not asked for");
}

#[test]
fn last_words_are_for_the_operator_and_few() {
    let harness = breaks("panics", "RequestAddress", FAULTS, "request-address");
    let log = harness.daemon.log();
    assert!(log.contains("panicked at tests/programs/examples/panics.rs"), "{log}");
    let longest = log.lines().map(str::len).max().unwrap();
    assert!(longest < 16 << 10, "a line of {longest} bytes");
}

#[test]
fn nothing_calls_a_driver_that_is_being_asked() {
    breaks("reenters", "RequestAddress", FAULTS, "panic_already_borrowed");
}

/// Says without end what it says; the log does not grow by it.
#[track_caller]
fn babbles(program: &str) {
    let harness = breaks(program, "RequestAddress", 1, "lines were dropped");
    let log = harness.daemon.log();
    println!("{program}: the log has {} KiB", log.len() >> 10);
    // For as long as a call lasts: 64 lines of 4 KiB a second.
    assert!(log.len() < 4 << 20, "the log has {} bytes", log.len());
    assert!(!log.contains("\u{1b}[31m"), "a guest colours the log");
    assert!(!log.lines().any(|line| line.starts_with("ERROR it")), "a guest forges a line");
}

#[test]
fn a_log_without_end_is_cut() {
    babbles("logs");
}

#[test]
fn outputs_without_end_are_cut() {
    babbles("prints");
}

fn address(harness: &Harness, driver: &str, pool: &str) -> (u16, Value) {
    harness.client(driver).ask("RequestAddress", &json!({"PoolID": pool}))
}

#[test]
fn who_traps_now_and_then_serves_in_between_and_repeats_nothing() {
    let harness = Harness::with("third", "");
    let pool = harness.pool("third");
    let answers: Vec<_> = (0..6).map(|_| address(&harness, "third", &pool)).collect();
    let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 200, 500, 200, 200, 500], "{answers:?}");
    let granted: Vec<_> = answers.iter().filter_map(|(_, body)| body["Address"].as_str()).collect();
    assert_eq!(granted, [1, 2, 3, 4].map(|host| format!("10.66.0.{host}/24")));
    wait(|| harness.driver("third")["restarts"] == 2);
    assert_eq!(harness.driver("third")["addresses"], 4);
}

#[test]
fn who_refuses_its_replay_is_not_served_and_its_releases_go_through() {
    let harness = Harness::with("forgets", "");
    let pool = harness.pool("forgets");
    assert_eq!(address(&harness, "forgets", &pool).0, 200);
    let mut client = harness.client("forgets");
    let last = json!({"PoolID": pool, "Address": "10.66.0.254"});
    broke(&client.ask("RequestAddress", &last));
    let driver = harness.driver("forgets");
    assert_eq!(driver["condition"], "failing", "{driver}");
    let reason = driver["reason"].as_str().unwrap();
    assert!(reason.contains("it refused what the ledger holds"), "{reason}");
    let (status, body) = address(&harness, "forgets", &pool);
    assert_eq!(status, 503, "{body}");
    assert_eq!(body["Err"], "the driver is out of service");
    let held = json!({"PoolID": pool, "Address": "10.66.0.1"});
    assert_eq!(client.ask("ReleaseAddress", &held), (200, json!({})));
    assert_eq!(client.ask("ReleasePool", &json!({"PoolID": pool})), (200, json!({})));
    // Nothing is left that it could refuse.
    wait(|| client.ask("RequestPool", &json!({"AddressSpace": "zoo"})).0 == 200);
    assert_eq!(harness.driver("forgets")["condition"], "serving");
}

#[test]
fn whoever_refuses_releases_has_no_say_in_them() {
    let harness = Harness::with("keeps", "");
    let pool = harness.pool("keeps");
    let mut client = harness.client("keeps");
    for restarts in 1..=3 {
        let (_, body) = address(&harness, "keeps", &pool);
        assert_eq!(body["Address"], "10.66.0.1/24");
        let held = json!({"PoolID": pool, "Address": "10.66.0.1"});
        assert_eq!(client.ask("ReleaseAddress", &held), (200, json!({})));
        wait(|| harness.driver("keeps")["restarts"] == restarts);
    }
    assert_eq!(client.ask("ReleasePool", &json!({"PoolID": pool})), (200, json!({})));
    assert_eq!(harness.driver("keeps")["pools"], 0);
}

#[test]
fn drivers_register_while_they_start_and_not_later() {
    let harness = Harness::with("late", "");
    let pool = harness.pool("late");
    assert_eq!(address(&harness, "late", &pool).1["Address"], "10.66.0.1/24");
    assert_eq!(harness.drivers().len(), 2);
    assert_eq!(harness.driver("late")["restarts"], 0);
}

#[test]
fn who_claims_to_be_built_in_is_not_believed() {
    let harness = Harness::with("built_in", "");
    let driver = harness.driver("built_in");
    assert_eq!((&driver["origin"], &driver["condition"]), (&json!("component"), &json!("serving")));
}

#[test]
fn a_driver_has_no_network() {
    let home = TcpListener::bind("127.0.0.1:0").unwrap();
    home.set_nonblocking(true).unwrap();
    let port = home.local_addr().unwrap().port();
    let harness = Harness::new();
    let table = format!("config = {{ port = {port} }}");
    // Sockets are imported; a host may refuse that, or give none.
    match harness.load(&ipam_tests::programs::file("socket"), &table) {
        Err(why) => assert!(why.contains("wasi:sockets"), "{why}"),
        Ok(()) => {
            let (status, body) = address(&harness, "socket", &harness.pool("socket"));
            assert_eq!((status, &body["Err"]), (503, &json!("there is no network here")));
        }
    }
    assert!(home.accept().is_err(), "it called home");
}

#[test]
fn a_call_that_sleeps_is_ended() {
    // The host's clock stands while a call lasts, and timers are due at once: it
    // wakes up without having slept, and answers.
    let harness = Harness::with("sleeps", "");
    let pool = harness.pool("sleeps");
    let begin = Instant::now();
    let (status, body) = harness.beside("sleeps", || address(&harness, "sleeps", &pool));
    assert!(begin.elapsed() < BOUND, "{:?}: {status} {body}", begin.elapsed());
    assert_eq!((status, &body["Err"]), (503, &json!("slept well")));
}
