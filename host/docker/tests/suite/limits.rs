//! Slow, silent and greedy clients.

use crate::support::{Client, Setup, post, request_address};
use ipam_docker::Limits;
use std::time::Duration;
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, sleep, timeout},
};

/// The clock has a resolution of its own.
const SLACK: Duration = Duration::from_millis(50);

#[track_caller]
fn about(since: Instant, want: Duration) {
    let took = since.elapsed();
    assert!(want <= took && took < want + SLACK, "{took:?}, not {want:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_stays_for_its_time() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    client.call("/Plugin.Activate", "").await;
    let idle = Instant::now();
    assert!(client.is_closed().await);
    about(idle, Limits::default().idle_timeout);
}

#[tokio::test(start_paused = true)]
async fn no_setting_closes_an_idle_connection_before_docker_does() {
    let setup = Setup::with(|config| config.limits.idle_timeout = Duration::from_secs(1));
    let mut client = setup.connect().await;
    client.call("/Plugin.Activate", "").await;
    let idle = Instant::now();
    assert!(client.is_closed().await);
    about(idle, Limits::IDLE_MIN);
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_idle() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    let idle = Instant::now();
    assert!(client.is_closed().await);
    about(idle, Limits::default().idle_timeout);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_end_is_cut_off() {
    let request = request_address("", "null");
    for sent in [1, 30, request.len() - 1] {
        let setup = Setup::new();
        let mut client = setup.connect().await;
        client.send(&request[..sent]).await;
        let begun = Instant::now();
        assert!(client.is_closed().await);
        about(begun, Limits::default().receive_timeout);
        assert_eq!(setup.lab.seen(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_drips_is_cut_off() {
    let setup = Setup::new();
    let client = setup.connect().await;
    let (mut reading, mut writing) = client.0.into_split();
    let begun = Instant::now();
    tokio::spawn(async move {
        for byte in request_address("", "null").bytes() {
            if writing.write_all(&[byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
    });
    let read = tokio::io::AsyncReadExt::read(&mut reading, &mut [0]).await;
    assert!(matches!(read, Ok(0) | Err(_)));
    about(begun, Limits::default().receive_timeout);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_written_in_its_time_or_not_at_all() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    client.send(&request_address("", r#"{"big":""}"#)).await;
    let begun = Instant::now();
    setup.lab.undoes(1).await;
    about(begun, Limits::default().write_timeout);
}

#[tokio::test(start_paused = true)]
async fn a_driver_has_its_time_to_answer() {
    let setup = Setup::new();
    setup.lab.hold();
    let mut client = setup.connect().await;
    let begun = Instant::now();
    client.send(&request_address("", "null")).await;
    assert_eq!(client.response().await.status, 503);
    about(begun, Limits::default().answer_timeout);
}

#[tokio::test(start_paused = true)]
async fn a_time_out_without_end_counts_as_a_day() {
    let setup = Setup::with(|config| {
        config.limits.idle_timeout = Duration::MAX;
        config.limits.receive_timeout = Duration::MAX;
        config.limits.answer_timeout = Duration::MAX;
        config.limits.write_timeout = Duration::MAX;
    });
    let mut client = setup.connect().await;
    assert_eq!(client.call("/Plugin.Activate", "").await.status, 200);
    let idle = Instant::now();
    assert!(client.is_closed().await);
    about(idle, Limits::TIMEOUT_MAX);
}

#[tokio::test(start_paused = true)]
async fn more_connections_than_allowed_wait_their_turn() {
    let setup = Setup::with(|config| config.limits.connections_max = 2);
    let mut clients = [setup.connect().await, setup.connect().await, setup.connect().await];
    for client in &mut clients {
        client.send(&post("/Plugin.Activate", "")).await;
    }
    let [mut first, mut second, mut third] = clients;
    assert_eq!(first.response().await.status, 200);
    assert_eq!(second.response().await.status, 200);
    assert!(timeout(Duration::from_secs(1), third.response()).await.is_err(), "served at once");
    drop(first);
    assert_eq!(third.response().await.status, 200);
}

async fn sized(client: &mut Client, bytes: usize) -> u16 {
    let mut body = r#"{"PoolID":"lab"}"#.to_owned();
    body.extend(std::iter::repeat_n(' ', bytes - body.len()));
    client.call("/IpamDriver.ReleasePool", &body).await.status
}

#[tokio::test(start_paused = true)]
async fn a_body_of_just_the_limit_is_read() {
    let setup = Setup::new();
    let most = Limits::default().body_max_bytes;
    let mut client = setup.connect().await;
    assert_eq!(sized(&mut client, most).await, 200);
    assert_eq!(sized(&mut client, most + 1).await, 413);
    assert_eq!(setup.lab.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn ten_megabytes_are_refused_unread() {
    let chunk = format!("100000\r\n{}", "x".repeat(100 << 10));
    for (framing, sent) in [
        ("Content-Length: 10485760", ""),
        ("Content-Length: 10485760", &chunk),
        ("Transfer-Encoding: chunked", &chunk),
    ] {
        let setup = Setup::new();
        let mut client = setup.connect().await;
        let head = format!("POST /IpamDriver.RequestPool HTTP/1.1\r\nHost:\r\n{framing}\r\n\r\n");
        client.send(&(head + sent)).await;
        let response = client.response().await;
        assert_eq!(response.status, 413, "{framing}");
        assert!(response.body.contains("request body too large"), "{}", response.body);
        drop(client);
        assert_eq!(setup.lab.seen(), []);
    }
}

/// As most clients do: write all, then read.
#[tokio::test(start_paused = true)]
async fn who_sends_ten_megabytes_before_reading_gets_the_refusal() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    assert_eq!(sized(&mut client, 10 << 20).await, 413);
    assert!(client.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn nobody_can_send_without_end() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    let head =
        "POST /IpamDriver.RequestPool HTTP/1.1\r\nHost:\r\nContent-Length: 9999999999\r\n\r\n";
    client.send(head).await;
    let chunk = vec![b'x'; 1 << 20];
    let mut sent = 0;
    while client.0.write_all(&chunk).await.is_ok() {
        sent += 1;
        assert!(sent < 32, "32 MiB were read");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_long_and_stops_is_cut_off() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    client.send("POST /x HTTP/1.1\r\nHost:\r\nContent-Length: 10485760\r\n\r\n").await;
    assert_eq!(client.response().await.status, 413);
    let silent = Instant::now();
    assert!(client.is_closed().await);
    assert!(silent.elapsed() <= Limits::default().idle_timeout + SLACK);
}

#[tokio::test(start_paused = true)]
async fn a_chunked_body_within_the_limit_is_read() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    client
        .send(
            "POST /IpamDriver.ReleasePool HTTP/1.1\r\nHost:\r\nTransfer-Encoding: chunked\r\n\r\n\
             8\r\n{\"PoolID\r\n8\r\n\":\"lab\"}\r\n0\r\n\r\n",
        )
        .await;
    assert_eq!(client.response().await.status, 200);
    assert_eq!(client.call("/Plugin.Activate", "").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn heads_are_bounded_in_bytes_and_fields() {
    let bytes = Limits::default().head_max_bytes;
    let long = format!("X: {}\r\n", "x".repeat(bytes));
    for fields in [long, "X: x\r\n".repeat(101)] {
        let setup = Setup::new();
        let mut client = setup.connect().await;
        client.send(&format!("POST /Plugin.Activate HTTP/1.1\r\n{fields}\r\n")).await;
        assert_eq!(client.response().await.status, 431);
        assert!(client.is_closed().await);
    }
}
