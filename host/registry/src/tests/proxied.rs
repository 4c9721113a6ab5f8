//! Registries behind a proxy.

use super::*;
use crate::{bounds::PROXY_HEAD_BYTES_MAX, proxy::Proxies};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    sync::mpsc,
    thread,
};

/// A proxy at this address, for both kinds of hosts.
fn proxies(at: &str) -> Proxies {
    let at = format!("http://me:secret@{at}");
    Proxies::new(|name| ["HTTPS_PROXY", "http_proxy"].contains(&name).then(|| at.clone()))
}

fn resolve_through(at: &str, plain_http: Vec<String>) -> Result<Artifact, Error> {
    let client = Client::new(plain_http).with_credentials(None).through(proxies(at));
    let reference: Reference = "oci://registry.example/acme/lab:1".parse().unwrap();
    let mut place = Target::Registry(client.open(&reference, Access::Pull)?);
    Artifact::resolve(&mut place, Which::Tag("1"))
}

#[test]
fn a_registry_in_the_clear_is_asked_for_through_a_proxy() {
    let files = files();
    let proxy = Server::new(move |asked| {
        let path = asked.path.strip_prefix("http://registry.example").unwrap_or_default();
        serve(&files, &Asked { path: path.to_owned(), ..asked.clone() })
    });
    let plain = vec!["registry.example".to_owned()];
    let artifact = resolve_through(&proxy.authority, plain.clone()).unwrap();
    assert_eq!(artifact.digest(), sha256(&manifest()));
    let asked = &proxy.asked()[0];
    assert_eq!(asked.headers["host"], "registry.example");
    assert_eq!(asked.headers["proxy-authorization"], "Basic bWU6c2VjcmV0");

    let proxy = Server::new(|_| answer(407, ""));
    let error = resolve_through(&proxy.authority, plain).unwrap_err().to_string();
    assert!(error.ends_with("it wants a user and a password, or others"), "{error}");
    assert_eq!(proxy.asked().len(), 1, "it is not asked again");
}

/// Answers one request for a connection, and gives back what it was and what came
/// behind it.
fn asked_to_connect(said: &[u8]) -> (String, mpsc::Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let (sender, receiver) = mpsc::channel();
    let said = said.to_vec();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head = lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty());
            let _ = sender.send(head.collect());
            let _ = stream.write_all(&said);
        }
    });
    (at, receiver)
}

#[test]
fn a_proxy_that_does_not_connect_is_named_without_its_password() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(PROXY_HEAD_BYTES_MAX));
    let rows = [
        ("HTTP/1.1 407 no\r\n\r\n", "it wants a user and a password, or others"),
        ("HTTP/1.1 403 no\r\n\r\n", "it answered 403"),
        ("HTTP/1.1 2000 no\r\n\r\n", "it does not speak HTTP"),
        ("SSH-2.0-x\r\n\r\n", "it does not speak HTTP"),
        (&*long, "has more than 16384 bytes"),
        ("", "end of file"),
        ("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "it does not speak TLS"),
    ];
    let check = |said: &str, words: &str| {
        let (at, asked) = asked_to_connect(said.as_bytes());
        let error = resolve_through(&at, Vec::new()).unwrap_err().to_string();
        let is_about = error.contains(&at) || error.contains("it does not speak TLS");
        assert!(error.contains(words) && is_about, "{said:.40}: {error}");
        assert!(!error.contains("secret") && !error.contains("bWU6c2VjcmV0"), "{error}");
        let asked = asked.recv().unwrap();
        assert_eq!(asked[0], "CONNECT registry.example:443 HTTP/1.1");
        assert!(asked.contains(&"Proxy-Authorization: Basic bWU6c2VjcmV0".to_owned()), "{asked:?}");
    };
    // Some are asked several times, with pauses.
    thread::scope(|threads| {
        for (said, words) in rows {
            threads.spawn(move || check(said, words));
        }
    });
}
