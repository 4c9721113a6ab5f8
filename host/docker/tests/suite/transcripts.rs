//! Whole conversations, as text: `transcripts/*.txt` beside this suite, and
//! the examples of PROTOCOL.md.
//!
//! `> PATH BODY` is a request, `< STATUS BODY` its answer, and every other
//! line is for the reader; a file is one connection. `BLESS=1 cargo test -p ipam-docker`
//! writes the answers anew; the difference is for review.

use crate::support::Setup;
use std::{env, fmt::Write, fs, path::Path};

#[tokio::test(start_paused = true)]
async fn conversations_go_as_written() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = fs::read_dir(home.join("tests/transcripts")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    assert!(!paths.is_empty(), "the transcripts are gone");
    paths.push(home.join("PROTOCOL.md"));
    for path in paths {
        let want = fs::read_to_string(&path).unwrap();
        let got = play(&want).await;
        if env::var_os("BLESS").is_some() {
            fs::write(&path, got).unwrap();
        } else {
            assert_eq!(got, want, "{}", path.display());
        }
    }
}

async fn play(script: &str) -> String {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    let mut played = String::new();
    for line in script.lines().filter(|line| !line.starts_with('<')) {
        writeln!(played, "{line}").unwrap();
        if let Some(request) = line.strip_prefix("> ") {
            let (path, body) = request.split_once(' ').unwrap_or((request, ""));
            let response = client.call(path, body).await;
            writeln!(played, "< {} {}", response.status, response.body).unwrap();
        }
    }
    assert_eq!(setup.lab.undone(), []);
    played
}
