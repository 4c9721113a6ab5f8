//! A server for tests: a transcript.

use crate::{Http, Request, Response};
use std::collections::VecDeque;

/// A request as one line, and its answer.
#[derive(Debug, Clone)]
pub struct Turn {
    /// `METHOD PATH BODY`, without the body where there is none.
    pub request: String,
    /// The status of the answer; 0 for none.
    pub status: u16,
    /// The body of the answer, or why there is none.
    pub body: String,
}

/// A turn of a transcript.
pub fn turn(request: impl Into<String>, status: u16, body: impl Into<String>) -> Turn {
    Turn { request: request.into(), status, body: body.into() }
}

/// A server that knows just what it will be asked, in that order. It panics where
/// something else is asked, and where something is not asked.
#[derive(Debug)]
pub struct Script(VecDeque<Turn>);

impl Script {
    /// A server that answers these turns.
    #[must_use]
    pub fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        Self(turns.into_iter().collect())
    }
}

impl Http for Script {
    #[expect(clippy::panic_in_result_fn, reason = "it is a test that fails")]
    fn send(&mut self, request: &Request<'_>) -> Result<Response, String> {
        let got = format!("{} {} {}", request.method.as_str(), request.path, request.body);
        let got = got.trim_end();
        for (_, secret) in &request.server.headers {
            assert!(!got.contains(secret.reveal()), "a secret outside of its header: {got}");
        }
        let Some(turn) = self.0.pop_front() else { panic!("asked, and not in the script: {got}") };
        assert_eq!(got, turn.request, "asked (left), and in the script (right)");
        match turn.status {
            0 => Err(turn.body),
            status => Ok(Response { status, body: turn.body.into_bytes() }),
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        assert!(std::thread::panicking() || self.0.is_empty(), "not asked: {:?}", self.0);
    }
}
