//! A driver that does not come alive, and is not stopped for an hour: nobody
//! else notices, and the daemon ends when it is told to.

use crate::harness::Harness;
use serde_json::json;
use std::time::{Duration, Instant};

const HOUR: &str = "[driver.limits]\ncall-ms = 3600000\nreplay-ms = 3600000";
/// The time that requests in flight have, one commit, and a busy machine.
const END: Duration = Duration::from_secs(10 + 10);

#[test]
fn who_takes_for_ever_to_come_alive_holds_up_nobody_and_not_the_end() {
    let harness = Harness::with("slow", HOUR);
    let pool = harness.pool("slow");
    let (status, body) = harness.client("slow").ask("RequestAddress", &json!({ "PoolID": pool }));
    assert_eq!(status, 200, "{body}");
    let harness = harness.restart();
    // It learns that lease now, and for an hour.
    harness.beside("slow", || {
        let drivers = harness.drivers();
        assert!(drivers.iter().any(|driver| driver["condition"] == "serving"), "{drivers:?}");
        // Another driver is put in service meanwhile.
        let file = |program| ipam_tests::programs::file(program);
        let both = format!("{HOUR}\n[[driver]]\nfile = {:?}", file("keeps").to_str().unwrap());
        harness.configure(&file("slow"), &both);
        let begin = Instant::now();
        harness.daemon.hangup("a driver is in service");
        assert!(begin.elapsed() < END, "{:?}", begin.elapsed());
    });
    let begin = Instant::now();
    let ended = harness.end();
    assert!(ended.success(), "{ended}");
    assert!(begin.elapsed() < END, "{:?}", begin.elapsed());
}

#[test]
fn a_call_that_does_not_end_ends_with_the_daemon() {
    let harness = Harness::with("loops", HOUR);
    let pool = harness.pool("loops");
    let mut client = harness.client("loops");
    let begin = std::thread::scope(|scope| {
        scope.spawn(move || {
            // The connection is closed at the end.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                client.ask("RequestAddress", &json!({ "PoolID": pool }))
            }));
        });
        std::thread::sleep(Duration::from_millis(300));
        let begin = Instant::now();
        let ended = harness.end();
        assert!(ended.success(), "{ended}");
        begin
    });
    assert!(begin.elapsed() < END, "{:?}", begin.elapsed());
}
