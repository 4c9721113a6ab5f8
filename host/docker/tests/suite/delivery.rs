//! What a request created is undone unless its answer was written.

use crate::support::{BIG_BYTES, Setup, receipt, request_address};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const BIG: &str = r#"{"big":""}"#;

#[tokio::test(start_paused = true)]
async fn closed_before_the_answer_is_undone() {
    let setup = Setup::new();
    setup.lab.hold();
    let mut client = setup.connect().await;
    client.send(&request_address("192.0.2.9", "null")).await;
    setup.lab.sees(1).await;
    drop(client);
    setup.lab.reply();
    setup.lab.undoes(1).await;
    assert_eq!(setup.lab.undone(), [receipt("192.0.2.9")]);
}

#[tokio::test(start_paused = true)]
async fn closed_in_the_middle_of_the_answer_is_undone() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    client.send(&request_address("192.0.2.9", BIG)).await;
    client.0.read_exact(&mut [0; 4096]).await.unwrap();
    drop(client);
    setup.lab.undoes(1).await;
    assert_eq!(setup.lab.undone(), [receipt("192.0.2.9")]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_reads_is_undone() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    client.send(&request_address("192.0.2.9", BIG)).await;
    setup.lab.undoes(1).await;
    assert_eq!(setup.lab.undone(), [receipt("192.0.2.9")]);
}

#[tokio::test(start_paused = true)]
async fn half_closed_and_still_reading_is_delivered() {
    for options in ["null", BIG] {
        let setup = Setup::new();
        setup.lab.hold();
        let mut client = setup.connect().await;
        client.send(&request_address("192.0.2.9", options)).await;
        client.0.shutdown().await.unwrap();
        setup.lab.sees(1).await;
        setup.lab.reply();
        let response = client.response().await;
        assert_eq!(response.status, 200);
        assert_eq!(response.body.len() > BIG_BYTES, options == BIG);
        assert!(client.is_closed().await);
        assert_eq!(setup.lab.undone(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_big_answer_that_is_read_is_delivered() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    client.send(&request_address("192.0.2.9", BIG)).await;
    assert!(client.response().await.body.len() > BIG_BYTES);
    assert_eq!(client.call("/Plugin.Activate", "").await.status, 200);
    drop(client);
    setup.server.shutdown(std::time::Duration::from_secs(1)).await;
    assert_eq!(setup.lab.undone(), []);
}

#[tokio::test(start_paused = true)]
async fn pipelined_requests_are_judged_each() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    let [first, second] = ["192.0.2.9", "192.0.2.10"];
    client.send(&(request_address(first, "null") + &request_address(second, BIG))).await;
    assert!(client.response().await.body.contains(first));
    drop(client);
    setup.lab.undoes(1).await;
    assert_eq!(setup.lab.undone(), [receipt(second)]);
}

/// Two answers in one buffer could not be told apart. Nothing of ours makes it
/// wait: this is what hyper does, and must go on doing.
#[tokio::test(start_paused = true)]
async fn a_pipelined_request_waits_for_the_answer_before_it() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    let [first, second] = ["192.0.2.9", "192.0.2.10"];
    client.send(&(request_address(first, BIG) + &request_address(second, "null"))).await;
    client.0.read_exact(&mut [0; 4096]).await.unwrap();
    drop(client);
    setup.lab.undoes(1).await;
    assert_eq!(setup.lab.undone(), [receipt(first)]);
    assert_eq!(setup.lab.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn pipelined_requests_are_all_answered_in_order() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    let addresses = [("192.0.2.9", "null"), ("192.0.2.10", BIG), ("192.0.2.11", "null")];
    let requests = addresses.map(|(address, options)| request_address(address, options));
    client.send(&requests.concat()).await;
    for (address, _) in addresses {
        assert!(client.response().await.body.contains(address));
    }
    assert_eq!(client.call("/Plugin.Activate", "").await.status, 200);
    assert_eq!(setup.lab.undone(), []);
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_its_time_is_undone() {
    let setup = Setup::new();
    setup.lab.hold();
    let mut client = setup.connect().await;
    client.send(&request_address("192.0.2.9", "null")).await;
    let response = client.response().await;
    assert_eq!(response.status, 503);
    assert!(response.body.contains("the driver did not answer in time"), "{}", response.body);
    setup.lab.reply();
    setup.lab.undoes(1).await;
    assert_eq!(setup.lab.undone(), [receipt("192.0.2.9")]);
    // The connection is as good as before.
    assert_eq!(client.call("/Plugin.Activate", "").await.status, 200);
}
