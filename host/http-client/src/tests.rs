use super::*;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
};

const SMALL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
const REFUSED: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";

/// Accepts one connection, answers each of its requests with the next text, and
/// closes it.
fn serve(answers: &[&str]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let answers: Vec<String> = answers.iter().map(ToString::to_string).collect();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for answer in answers {
            let read = stream.read(&mut [0; 4096]).await.unwrap();
            assert!(read > 0, "a request comes");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (directory, path)
}

/// Sends as many requests as there are answers, and compares what came.
async fn check(answers: &[&str], body_max_bytes: usize, want: &[&str]) {
    let (_directory, socket) = serve(answers);
    let mut connection = Connection::open(&socket).await.unwrap();
    for want in want {
        let request = plugin_call("Plugin.Activate", PLUGIN_HOST, "test", Vec::new()).unwrap();
        let got = match connection.send(request, body_max_bytes).await {
            Ok(it) => format!("{} {}", it.status().as_u16(), String::from_utf8_lossy(it.body())),
            Err(error) => error.to_string(),
        };
        assert_eq!(got, *want, "{answers:?}");
    }
}

#[tokio::test]
async fn a_connection_serves_several_requests() {
    check(&[SMALL, REFUSED, CHUNKED], 5, &["200 hello", "403 no", "200 hello"]).await;
}

#[tokio::test]
async fn a_body_is_bounded_whether_or_not_its_length_is_announced() {
    check(&[SMALL], 4, &["more than 4 bytes"]).await;
    check(&[CHUNKED], 4, &["more than 4 bytes"]).await;
}

#[tokio::test]
async fn a_head_is_bounded() {
    let field = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(HEAD_MAX_BYTES));
    check(&[&field], 5, &["the exchange failed"]).await;
}

#[tokio::test]
async fn half_a_response_is_an_error() {
    check(&["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"], 9, &["the exchange failed"]).await;
    check(&["HTTP/1.1 200 OK\r\nCont"], 9, &["the exchange failed"]).await;
    check(&["SSH-2.0-OpenSSH_9.9\r\n"], 9, &["the exchange failed"]).await;
    check(&[], 9, &["the exchange failed"]).await;
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_named_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let error = Connection::open(&directory.path().join("socket")).await.unwrap_err();
    assert!(matches!(error, Error::Connect(_)), "{error:?}");
}
