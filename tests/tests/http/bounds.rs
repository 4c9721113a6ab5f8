//! How much, how often and how long.

use crate::{
    lab::{Asker, quick},
    server::Server,
};
use ipam_api::Failure;
use ipam_runtime::{HttpLimits, Limits};
use std::time::{Duration, Instant};

/// It took the call's time, give or take.
#[track_caller]
fn in_time<T>(work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    done
}

/// A driver whose server hangs is told in time to say so, and lives on.
#[test]
fn a_server_that_never_answers_is_given_up() {
    let server = Server::new();
    let mut asker = Asker::new(&[&server.url("/")]);
    for (path, error) in [
        ("/api/never", "ErrorCode::ConnectionReadTimeout"),
        ("/api/drips", "connection read timeout"),
        ("/api/stops", "connection read timeout"),
        ("/api/head", "ErrorCode::HttpProtocolError"),
    ] {
        let url = server.url(path);
        let said = in_time(|| asker.error(&[("url", &url)]));
        assert!(said.to_lowercase().contains(&error.to_lowercase()), "{path}: {said}");
    }
    assert_eq!(asker.get(&server.url("/")), "took 0 bytes");
}

#[test]
fn nobody_who_does_not_listen_is_waited_for() {
    let server = Server::new();
    // Nobody accepts what is beyond the queue, and this network drops packets.
    let mut asker = Asker::new(&["http://192.0.2.1/", &server.url("/")]);
    let said = in_time(|| asker.error(&[("url", "http://192.0.2.1/")]));
    assert!(said.starts_with("ErrorCode::"), "{said}");
    assert_eq!(asker.get(&server.url("/")), "took 0 bytes");
}

/// Patience of its own is measured in real time.
#[test]
fn a_driver_may_wait_for_less() {
    let server = Server::new();
    let mut asker = Asker::new(&[&server.url("/")]);
    let never = server.url("/api/never");
    let began = Instant::now();
    let said = asker.error(&[("url", &never), ("patience", "200")]);
    assert!(began.elapsed() >= Duration::from_millis(200));
    let waited: u64 = said.split(' ').nth(3).unwrap().parse().unwrap();
    assert!((200..900).contains(&waited), "{said}");
    let quick = asker.ask(&[("url", &server.url("/")), ("patience", "900")]).unwrap();
    assert_eq!(quick["body"], "took 0 bytes");

    let began = Instant::now();
    asker.error(&[("url", &server.url("/api/stops")), ("between-bytes", "100")]);
    assert!(began.elapsed() < Duration::from_millis(800), "{:?}", began.elapsed());
}

/// A wait for what never comes: nothing was sent that could time out.
#[test]
fn a_wait_ends_with_the_call() {
    let server = Server::new();
    let mut asker = Asker::new(&[&server.url("/")]);
    let url = server.url("/api/never");
    let ended = in_time(|| asker.ask(&[("url", &url), ("body", "1048576"), ("unsent", "")]));
    let Err(Failure::Broken { reason }) = ended else { panic!("{ended:?}") };
    assert!(reason.contains("took more than 1s"), "{reason}");
    assert!(server.asked().is_empty());
}

#[test]
fn bodies_are_bounded_in_both_directions() {
    const MOST: usize = 64 << 10;
    let server = Server::new();
    let limits = Limits { http: HttpLimits { body_bytes: MOST, ..quick().http }, ..quick() };
    let mut asker = Asker::with(limits, &[&server.url("/")]);
    let data = asker.ask(&[("url", &server.url("/api/bytes/65536"))]).unwrap();
    assert_eq!((&*data["bytes"], data.get("error")), ("65536", None));
    let error = asker.error(&[("url", &server.url("/api/bytes/65537"))]);
    assert!(error.contains("response body size exceeds"), "{error}");

    let data =
        asker.ask(&[("url", &server.url("/")), ("method", "POST"), ("body", "65536")]).unwrap();
    assert_eq!(data["body"], "took 65536 bytes");
    let error = asker.error(&[("url", &server.url("/")), ("method", "POST"), ("body", "69632")]);
    assert!(error.starts_with("ErrorCode::"), "{error}");
}

#[test]
fn requests_are_counted() {
    let server = Server::new();
    let limits = Limits { http: HttpLimits { requests: 3, ..quick().http }, ..quick() };
    let mut asker = Asker::with(limits, &[&server.url("/api")]);
    let url = server.url("/api");
    assert!(!asker.ask(&[("url", &url), ("times", "3")]).unwrap().contains_key("error"));
    asker.error(&[("url", &url), ("times", "4")]);
    assert_eq!(server.asked().len(), 6);
    // So are those that are refused, and each call has its own.
    asker.error(&[("url", &server.url("/")), ("times", "300")]);
    assert!(!asker.ask(&[("url", &url)]).unwrap().contains_key("error"));
    assert_eq!(server.asked().len(), 7);
}

/// Nothing of a request stays behind when it is over.
#[test]
fn an_instance_asks_for_as_long_as_it_lives() {
    let server = Server::new();
    let limits = Limits {
        http: HttpLimits { handles: 32, connections: 1, ..HttpLimits::default() },
        ..Limits::default()
    };
    let mut asker = Asker::with(limits, &[&server.url("/")]);
    let url = server.url("/");
    for _ in 0..4 {
        let data = asker.ask(&[("url", &url), ("times", "16")]).unwrap();
        assert!(!data.contains_key("error"), "{data:?}");
    }
    assert_eq!(server.asked().len(), 64);
}
