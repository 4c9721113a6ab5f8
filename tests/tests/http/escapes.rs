//! What is granted, and every way out of it.

use crate::{
    lab::{Asker, load, quick},
    server::Server,
};
use ipam_runtime::{Limits, LoadError};

const DENIED: &str = "ErrorCode::HttpRequestDenied";

#[test]
fn what_is_granted_is_answered() {
    let server = Server::new();
    let mut asker = Asker::new(&[&server.url("/api/")]);
    assert_eq!(asker.get(&server.url("/api/pools?limit=1")), "took 0 bytes");
    assert_eq!(asker.get(&server.url("/api")), "took 0 bytes");
    let sent = asker.ask(&[("url", &server.url("/api/x")), ("method", "PATCH"), ("body", "8192")]);
    let sent = sent.unwrap();
    assert_eq!((&*sent["status"], &*sent["body"]), ("200", "took 8192 bytes"));
    let host = server.address;
    let want = ["GET /api/pools?limit=1", "GET /api", "PATCH /api/x"]
        .map(|line| format!("{line} HTTP/1.1 at {host}"));
    assert_eq!(server.asked(), want);
}

#[test]
fn a_name_is_granted_as_a_name() {
    let server = Server::new();
    let port = server.address.port();
    let mut asker = Asker::new(&[&format!("http://localhost:{port}/")]);
    asker.get(&format!("http://LocalHost:{port}/x"));
    assert_eq!(server.asked(), [format!("GET /x HTTP/1.1 at localhost:{port}")]);
    // What it stands for was not granted.
    assert_eq!(asker.error(&[("url", &server.url("/x"))]), DENIED);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn what_is_not_granted_is_not_even_connected_to() {
    let (server, other) = (Server::new(), Server::new());
    let host = server.address;
    let mut asker = Asker::new(&[&server.url("/api/")]);
    let port = host.port();
    for url in [
        // Another port, scheme, host, and another name for the same.
        other.url("/api/"),
        format!("https://{host}/api/"),
        format!("http://127.0.0.2:{port}/api/"),
        format!("http://localhost:{port}/api/"),
        format!("http://[::ffff:127.0.0.1]:{port}/api/"),
        format!("http://127.1:{port}/api/"),
        format!("http://2130706433:{port}/api/"),
        format!("http://127.0.0.1.:{port}/api/"),
        "http://127.0.0.1/api/".to_owned(),
        // User-info.
        format!("http://me@{host}/api/"),
        format!("http://me:secret@{host}/api/"),
        format!("http://{host}@{}/api/", other.address),
        // Paths.
        server.url("/secret"),
        server.url("/apis"),
        server.url("//api/"),
        server.url("/api/../secret"),
        server.url("/api/%2e%2e/secret"),
        server.url("/api/.%2E/secret"),
        server.url("/api/%252e%252e/secret"),
        server.url("/api/..%2fsecret"),
        server.url("/api/..%5csecret"),
        server.url("/api/..;/secret"),
        server.url("/api/..%20/secret"),
        server.url("/api/.../secret"),
        server.url(""),
    ] {
        assert_eq!(asker.error(&[("url", &url)]), DENIED, "{url}");
    }
    // What is no URL to begin with is no request either.
    for url in [
        format!("http://{}\\@{host}/api/", other.address),
        format!("http://{host} {}/api/", other.address),
        server.url("/api/\\..\\secret"),
        server.url("/api/ HTTP/1.1\r\nhost: other\r\n\r\nGET /secret"),
        "http:///api/".to_owned(),
        format!("ftp://{host}/api/"),
    ] {
        asker.error(&[("url", &url)]);
    }
    for method in ["CONNECT", "TRACE", "PROPFIND", "get", "LOCK"] {
        let refused = asker.error(&[("url", &server.url("/api/")), ("method", method)]);
        assert_eq!(refused, DENIED, "{method}");
    }
    assert_eq!((server.asked(), other.asked()), (vec![], vec![]));
}

#[test]
fn a_redirect_is_seen_and_not_followed() {
    let other = Server::new();
    let server = Server::redirecting(other.url("/secret"));
    let mut asker = Asker::new(&[&server.url("/api/")]);
    let data = asker.ask(&[("url", &server.url("/api/away"))]).unwrap();
    assert_eq!((&*data["status"], data.get("error")), ("302", None));
    // Followed by the driver it is a request as any other.
    let followed = [("url", &*server.url("/api/away")), ("follow", "")];
    assert_eq!(asker.error(&followed), DENIED);
    assert!(other.asked().is_empty());
    let mut asker = Asker::new(&[&server.url("/api/"), &other.url("/")]);
    assert_eq!(asker.ask(&followed).unwrap()["body"], "took 0 bytes");
    assert_eq!(other.asked().len(), 1);
}

#[test]
fn the_host_header_is_the_host() {
    let server = Server::new();
    let mut asker = Asker::new(&[&server.url("/api/")]);
    let refused = asker.error(&[("url", &server.url("/api/")), ("host", "other.example")]);
    assert_eq!(refused, "HeaderError::Forbidden");
    assert!(server.asked().is_empty());
}

#[test]
fn without_a_grant_it_is_not_loaded() {
    let Err(LoadError::UngrantedImports(listed)) = load(quick(), &[]) else { panic!("loaded") };
    assert!(listed.iter().all(|need| need.import.starts_with("wasi:http/")), "{listed:?}");
    assert_eq!(listed.len(), 2);
}

/// What a body would be to a server that expects none.
const SECOND: &str = "GET /secret HTTP/1.1\r\nhost: other\r\n\r\n";

#[test]
fn nothing_behind_a_request_is_another_one() {
    let server = Server::recording();
    let host = server.address;
    let mut asker = Asker::with(Limits::default(), &[&server.url("/api/")]);
    let url = server.url("/api/x");
    let length = format!("content-length: {}", SECOND.len());
    for method in ["GET", "HEAD", "OPTIONS"] {
        // Said to be there, it is refused; said or not, it is not sent.
        let said = [("url", &*url), ("method", method), ("text", SECOND), ("headers", &*length)];
        assert_eq!(asker.error(&said), DENIED, "{method}");
        for headers in ["", "content-length: 0"] {
            let unsaid =
                [("url", &*url), ("method", method), ("text", SECOND), ("headers", headers)];
            let _ = asker.ask(&unsaid).unwrap();
            let asked = server.asked();
            let want =
                format!("{method} /api/x HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
            assert_eq!(asked.last(), Some(&want), "{method} {headers}");
        }
    }
    // A length that is two is none.
    for headers in [
        format!("{length}\ncontent-length: 3"),
        "content-length: +3".to_owned(),
        "content-length: 3, 3".to_owned(),
        "content-length: 0x3".to_owned(),
    ] {
        let two = [("url", &*url), ("method", "POST"), ("text", "abc"), ("headers", &*headers)];
        assert!(asker.ask(&two).unwrap().contains_key("error"), "{headers}");
    }
    // Some are given up by the guest, whose body is more than it said.
    let is_other = |asked: &String| asked.contains("secret") || asked.starts_with("POST");
    let others: Vec<_> = server.asked().into_iter().filter(is_other).collect();
    assert_eq!(others, [""; 0]);
}

#[test]
fn a_body_is_framed_and_nothing_else_is_said_of_the_connection() {
    let server = Server::recording();
    let host = server.address;
    let mut asker = Asker::with(Limits::default(), &[&server.url("/api/")]);
    let headers = "content-length: 3\nexpect: 100-continue\nte: trailers\ntrailer: x-more\n\
                   max-forwards: 1\nx-own: 1\nx-original-url: /secret\nx-rewrite-url: /secret";
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let url = server.url("/api/x");
        let sent = [("url", &*url), ("method", method), ("text", "abc"), ("headers", headers)];
        let data = asker.ask(&sent).unwrap();
        assert_eq!(data.get("body").map(String::as_str), Some("ok"), "{method} {data:?}");
        let want = format!(
            "{method} /api/x HTTP/1.1\r\nx-own: 1\r\nhost: {host}\r\nconnection: close\r\n\
             content-length: 3\r\n\r\nabc"
        );
        assert_eq!(server.asked().last(), Some(&want), "{method}");
    }
}
