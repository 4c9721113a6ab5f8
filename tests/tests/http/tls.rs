//! Over TLS, to whom this machine trusts. That is read once in a process, and
//! named by its environment: whoever asks here is a process of its own.

use crate::lab::Asker;
use ipam_tests::{
    daemon::{Daemon, wait},
    programs,
};
use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http").join(name)
}

/// Says hello to everybody who trusts it, as `localhost`.
fn server() -> SocketAddr {
    let chain = vec![CertificateDer::from_pem_file(file("localhost.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("localhost.key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    thread::spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 4096]).await;
                let hello = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
                stream.write_all(hello).await.unwrap();
                let _ = stream.shutdown().await;
            }
        });
    });
    address
}

/// Asks in a process that trusts this authority: the answer, or why there is
/// none.
fn ask(url: &str, authority: &Path) -> String {
    let output = Command::new(env::current_exe().unwrap())
        .args(["tls::the_client", "--exact", "--nocapture", "as-client", url])
        .env("SSL_CERT_FILE", authority)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    said.lines().find_map(|line| line.strip_prefix("data: ")).unwrap().to_owned()
}

#[test]
fn the_client() {
    if let Some(url) = env::args().skip_while(|word| word != "as-client").nth(1) {
        let data = Asker::new(&[&url]).ask(&[("url", &url)]).unwrap();
        println!("\ndata: {data:?}");
    }
}

#[test]
fn whom_the_machine_trusts_is_asked() {
    let port = server().port();
    let url = format!("https://localhost:{port}/");
    let answer = ask(&url, &file("authority.pem"));
    assert!(answer.contains(r#""body": "hello""#), "{answer}");
    // Somebody else: who is not known, and who goes by another name.
    let nobody = ask(&url, &file("nobody.pem"));
    assert!(nobody.contains("ErrorCode::Tls"), "{nobody}");
    let other = ask(&format!("https://127.0.0.1:{port}/"), &file("authority.pem"));
    assert!(other.contains("ErrorCode::Tls"), "{other}");
}

/// The driver asks at its start; its own words are shown to callers, too.
#[test]
fn what_helps_is_in_the_log_where_nobody_knows_the_authority() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("wipam.toml");
    let url = format!("https://localhost:{}/api", server().port());
    let (file, token) = (programs::driver("netbox"), "0123456789abcdef");
    let table = format!(
        "[[driver]]\nfile = \"builtin:default\"\n[[driver]]\nfile = {file:?}\nhttp = [{url:?}]\n\
         config = {{ url = {url:?}, token = {token:?}, host = \"node-1\" }}\n"
    );
    fs::write(&config, table).unwrap();
    let daemon = Daemon::start(directory.path(), &["--config", config.to_str().unwrap()]).ready();
    let has = |words: &str, more: &str| {
        let log = daemon.log();
        log.lines().any(|line| line.contains(words) && line.contains(more))
    };
    wait(|| has("UnknownIssuer", "SSL_CERT_FILE names a file"));
    wait(|| has("NetBox does not answer", "SSL_CERT_FILE names a file"));
}
