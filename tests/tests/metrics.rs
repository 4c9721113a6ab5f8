//! What drivers do, in numbers: over HTTP, and by the command.

#![expect(clippy::unwrap_used, reason = "a test may")]

use ipam_tests::{
    daemon::{Daemon, wait},
    operator::wipam,
};
use serde_json::json;
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

/// What a GET brings, head and all.
fn scrape(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn metrics_count_what_was_answered() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(directory.path(), &["--metrics-listen", "127.0.0.1:0"]);
    wait(|| daemon.log().contains("ready;"));
    let log = daemon.log();
    let address = log.split("url=http://").nth(1).unwrap().split('/').next().unwrap();
    let mut client = daemon.client();
    client.pool("LocalDefault", "10.0.0.0/16");
    let any = json!({"PoolID": "LocalDefault/10.0.0.0/16"});
    (0..3).for_each(|_| assert_eq!(client.ask("RequestAddress", &any).0, 200));
    let nowhere = json!({"PoolID": "nowhere", "Address": ""});
    assert_eq!(client.ask("RequestAddress", &nowhere).0, 400);
    let text = scrape(address, "/metrics");
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    // And so does the command.
    let drivers = wipam(&daemon, &["drivers"]).done();
    let default = drivers.iter().find(|driver| driver["name"] == "default").unwrap();
    let refused = json!({"call": "request-address", "outcome": "bad-request", "count": 1});
    assert!(default["answered"].as_array().unwrap().contains(&refused), "{default}");
    let buckets = default["latency"].as_array().unwrap();
    assert_eq!(buckets.iter().map(|it| it["count"].as_u64().unwrap()).sum::<u64>(), 5);
    assert!(default["guest_calls"].as_u64() >= Some(4), "{default}");
    assert!(default["guest_micros"].as_u64() > Some(0), "{default}");
    for line in [
        r#"wipam_requests_total{driver="default",call="request-pool",outcome="ok"} 1"#,
        r#"wipam_requests_total{driver="default",call="request-address",outcome="ok"} 3"#,
        r#"wipam_requests_total{driver="default",call="request-address",outcome="bad-request"} 1"#,
        r#"wipam_request_duration_seconds_count{driver="default"} 5"#,
        r#"wipam_request_duration_seconds_bucket{driver="default",le="+Inf"} 5"#,
        r#"wipam_guest_calls_total{driver="default"} 5"#,
        r#"wipam_failures_total{driver="default"} 0"#,
        r#"wipam_driver_up{driver="null"} 1"#,
        r#"wipam_breaker_open{driver="default"} 0"#,
        "# TYPE wipam_request_duration_seconds histogram",
    ] {
        assert!(text.lines().any(|it| it == line), "no {line} in\n{text}");
    }
    for (name, old) in [
        ("wipam_requests_total", "wipam_answers_total"),
        ("wipam_request_duration_seconds", "wipam_answer_seconds"),
        ("wipam_memory_bytes_max", "wipam_memory_bytes_most"),
        ("wipam_driver_up", "wipam_serving"),
    ] {
        let values = |name: &str| -> Vec<&str> {
            text.lines().filter_map(|line| line.strip_prefix(name)).collect()
        };
        assert!(!values(name).is_empty(), "no {name} in\n{text}");
        assert_eq!(values(name), values(old), "{name} and {old}");
    }
    assert!(scrape(address, "/").starts_with("HTTP/1.1 404"));
}
