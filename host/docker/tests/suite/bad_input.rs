//! Garbage: each piece gets its error, and none reaches the driver.

use crate::support::{Setup, request_address};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Numbers that look random and are the same each time (xorshift64).
fn noise(seed: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(seed), |&x| {
        let x = x ^ (x << 13);
        let x = x ^ (x >> 7);
        Some(x ^ (x << 17))
    })
    .skip(1)
}

#[tokio::test(start_paused = true)]
async fn random_bytes_instead_of_http() {
    let setup = Setup::new();
    for seed in 1..=200 {
        let mut client = setup.connect().await;
        let bytes: Vec<u8> = noise(seed).take(512).map(|word| word.to_le_bytes()[0]).collect();
        // It may be cut off before all of it is written.
        let _ = client.0.write_all(&bytes).await;
        let _ = client.0.shutdown().await;
        let mut answer = Vec::new();
        let _ = client.0.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "seed {seed}");
    }
    assert_eq!(setup.lab.seen(), []);
    assert_eq!(setup.connect().await.call("/Plugin.Activate", "").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn random_bytes_instead_of_json() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    for seed in 1..=200 {
        let body: String =
            noise(seed).take(64).map(|word| char::from(word.to_le_bytes()[0])).collect();
        let response = client.call("/IpamDriver.RequestPool", &body).await;
        assert_eq!(response.status, 400, "seed {seed}");
    }
    assert_eq!(setup.lab.seen(), []);
}

#[tokio::test(start_paused = true)]
async fn truncated_json() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    let body = r#"{"PoolID":"lab","Address":"192.0.2.9","Options":{"a":"b"}}"#;
    for length in 0..body.len() {
        let response = client.call("/IpamDriver.RequestAddress", &body[..length]).await;
        assert_eq!(response.status, 400, "{}", &body[..length]);
    }
    assert_eq!(setup.lab.seen(), []);
    assert_eq!(client.call("/IpamDriver.RequestAddress", body).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_request_cut_short() {
    let setup = Setup::new();
    let request = request_address("", "null");
    for length in 0..request.len() {
        let mut client = setup.connect().await;
        client.send(&request[..length]).await;
        client.0.shutdown().await.unwrap();
        let mut answer = Vec::new();
        client.0.read_to_end(&mut answer).await.unwrap();
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{length}");
    }
    assert_eq!(setup.lab.seen(), []);
}

#[tokio::test(start_paused = true)]
async fn json_as_deep_as_a_body_can_be() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    for (open, status) in [(r#"{"x":"#, 400), (r#"{"Options":{"a":"#, 400)] {
        let body = format!("{open}{}", "[".repeat(60_000));
        assert_eq!(client.call("/IpamDriver.RequestAddress", &body).await.status, status);
    }
    let nested = format!(r#"{{"PoolID":"lab","x":{}{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(client.call("/IpamDriver.ReleasePool", &nested).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn pool_ids_of_a_hundred_kilobytes() {
    let setup = Setup::new();
    for (bytes, status) in [(100_000, 413), (60_000, 400), (257, 400), (0, 400)] {
        let mut client = setup.connect().await;
        let body = format!(r#"{{"PoolID":"{}"}}"#, "x".repeat(bytes));
        let response = client.call("/IpamDriver.ReleasePool", &body).await;
        assert_eq!(response.status, status, "{bytes}");
        assert!(response.body.len() < 256, "the id came back");
    }
    assert_eq!(setup.lab.seen(), []);
}

#[tokio::test(start_paused = true)]
async fn errors_are_short_whatever_was_sent() {
    let setup = Setup::new();
    let long = "\u{1F980}".repeat(10_000);
    for body in [
        format!(r#"{{"AddressSpace":"L","Pool":"{long}"}}"#),
        format!(r#"{{"AddressSpace":"L","V6":"{long}"}}"#),
    ] {
        let mut client = setup.connect().await;
        let response = client.call("/IpamDriver.RequestPool", &body).await;
        assert_eq!(response.status, 400);
        assert!(response.body.len() < 10_000, "{}", response.body.len());
    }
}
