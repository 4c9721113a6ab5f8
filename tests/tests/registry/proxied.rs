//! A registry by TLS that is reached through a proxy alone.

use super::{
    ran,
    real::{Registry, free_port, has_registry},
};
use ipam_tests::{
    daemon::{binary, wait},
    engine::run,
};
use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::mpsc,
    thread,
};

/// Connects whoever has the right password to this machine, whatever host it is asked
/// for. Where it is, and the first line of each request.
fn proxy() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let (sender, asked) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(stream), sender) = (stream, sender.clone()) else { continue };
            thread::spawn(move || connect(stream, &sender));
        }
    });
    (at, asked)
}

fn connect(mut client: TcpStream, asked: &mpsc::Sender<String>) -> io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head);
    let first = head.lines().next().unwrap_or_default().to_owned();
    let _ = asked.send(first.clone());
    // me:s@cret
    if !head.contains("\r\nProxy-Authorization: Basic bWU6c0BjcmV0\r\n") {
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    }
    let port = first.split([':', ' ']).nth(2).and_then(|port| port.parse::<u16>().ok());
    let server = TcpStream::connect(("127.0.0.1", port.unwrap_or_default()))?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let back = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || io::copy(&mut &back.0, &mut &back.1));
    io::copy(&mut &client, &mut &server).map(drop)
}

#[test]
fn a_registry_may_be_behind_a_proxy() {
    if !has_registry() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (key, certificate) = (path("key.pem"), path("certificate.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt"]);
    openssl.args(["ec_paramgen_curve:P-256", "-days", "9", "-subj", "/CN=registry.test"]);
    openssl.args(["-addext", "subjectAltName=DNS:registry.test"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    run(openssl.args(["-keyout", &key, "-out", &certificate])).unwrap();
    let port = free_port();
    let tls = format!(", tls: {{certificate: {certificate}, key: {key}}}");
    let program = Command::new("docker-registry");
    let registry = Registry::start_with(program, directory.path(), port, &tls, "");
    wait(|| TcpStream::connect(&registry.authority).is_ok());

    let (at, asked) = proxy();
    let ask = |user: &str, arguments: &[&str]| {
        let mut program = Command::new(binary());
        program.env("HTTPS_PROXY", format!("http://{user}@{at}")).env_remove("NO_PROXY");
        program.env("SSL_CERT_FILE", &certificate).env_remove("SSL_CERT_DIR");
        ran(program.env("DOCKER_CONFIG", directory.path()), arguments)
    };
    let (file, got) = (path("lab.wasm"), path("got.wasm"));
    fs::write(&file, ipam_builtin::DEFAULT).unwrap();
    let reference = format!("oci://registry.test:{port}/acme/lab:1.0");
    let refused = ask("me:wrong", &["push", &file, &reference]).unwrap_err();
    let words = format!("the proxy {at}: it wants a user and a password");
    assert!(refused.contains(&words) && !refused.contains("wrong"), "{refused}");
    ask("me:s%40cret", &["push", &file, &reference]).unwrap();
    ask("me:s%40cret", &["pull", &reference, "-o", &got]).unwrap();
    assert_eq!(fs::read(got).unwrap(), ipam_builtin::DEFAULT);
    let connect = format!("CONNECT registry.test:{port} HTTP/1.1");
    assert!(asked.try_iter().all(|line| line == connect));
}
