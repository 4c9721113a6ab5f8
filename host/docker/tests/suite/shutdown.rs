//! Draining.

use crate::support::{Setup, receipt, request_address};
use ipam_api::Subscriber;
use std::time::Duration;
use tokio::time::Instant;

const GRACE: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn a_running_request_is_answered_and_its_connection_closed() {
    let setup = Setup::new();
    setup.lab.hold();
    let mut client = setup.connect().await;
    client.send(&request_address("192.0.2.9", "null")).await;
    setup.lab.sees(1).await;
    let shutdown = tokio::spawn({
        let server = setup.server.clone();
        async move { server.shutdown(GRACE).await }
    });
    tokio::task::yield_now().await;
    assert!(!setup.path().exists());
    setup.lab.reply();
    let response = client.response().await;
    assert_eq!(response.status, 200);
    assert!(response.head.contains("connection: close"), "{}", response.head);
    assert!(client.is_closed().await);
    shutdown.await.unwrap();
    assert_eq!(setup.lab.undone(), []);
}

#[tokio::test(start_paused = true)]
async fn what_outlives_its_grace_is_ended_and_undone() {
    let setup = Setup::new();
    setup.lab.hold();
    let mut client = setup.connect().await;
    client.send(&request_address("192.0.2.9", "null")).await;
    setup.lab.sees(1).await;
    let begun = Instant::now();
    setup.server.shutdown(GRACE).await;
    assert!(begun.elapsed() >= GRACE && begun.elapsed() < GRACE * 2);
    assert!(client.is_closed().await);
    setup.lab.reply();
    setup.lab.undoes(1).await;
    assert_eq!(setup.lab.undone(), [receipt("192.0.2.9")]);
}

#[tokio::test(start_paused = true)]
async fn idle_connections_hold_nothing_up() {
    let setup = Setup::new();
    let mut used = setup.connect().await;
    used.call("/Plugin.Activate", "").await;
    let mut silent = setup.connect().await;
    let begun = Instant::now();
    setup.server.shutdown(GRACE).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(used.is_closed().await);
    assert!(silent.is_closed().await);
}

/// Docker would repeat it without its body.
#[tokio::test(start_paused = true)]
async fn a_request_that_has_arrived_is_still_answered() {
    let setup = Setup::new();
    let mut used = setup.connect().await;
    used.call("/Plugin.Activate", "").await;
    let mut queued = setup.connect().await;
    for client in [&mut used, &mut queued] {
        client.0.try_write(request_address("", "null").as_bytes()).unwrap();
    }
    setup.server.shutdown(GRACE).await;
    assert_eq!(used.response().await.status, 200);
    assert_eq!(queued.response().await.status, 200);
    assert_eq!(setup.lab.undone(), []);
}

#[tokio::test(start_paused = true)]
async fn an_unregistered_driver_finishes_what_runs() {
    let setup = Setup::new();
    setup.lab.hold();
    let mut client = setup.connect().await;
    client.send(&request_address("", "null")).await;
    setup.lab.sees(1).await;
    setup.server.unregistered(&"lab".parse().unwrap());
    assert!(!setup.path().exists());
    tokio::time::sleep(Duration::from_secs(1)).await;
    setup.lab.reply();
    assert_eq!(client.response().await.status, 200);
    assert!(client.is_closed().await);
    assert_eq!(setup.lab.undone(), []);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_server_closes_everything() {
    let setup = Setup::new();
    setup.lab.hold();
    let mut client = setup.connect().await;
    client.send(&request_address("192.0.2.9", "null")).await;
    setup.lab.sees(1).await;
    let path = setup.path();
    let Setup { server, lab, directory } = setup;
    drop(server);
    assert!(!path.exists());
    assert!(client.is_closed().await);
    lab.reply();
    assert_eq!(lab.undone(), [receipt("192.0.2.9")]);
    drop(directory);
}

#[test]
fn a_reply_that_outlives_the_runtime_is_undone() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let setup = runtime.block_on(async {
        let setup = Setup::new();
        setup.lab.hold();
        let mut client = setup.connect().await;
        client.send(&request_address("192.0.2.9", "null")).await;
        setup.lab.sees(1).await;
        setup
    });
    drop(runtime);
    setup.lab.reply();
    assert_eq!(setup.lab.undone(), [receipt("192.0.2.9")]);
}
