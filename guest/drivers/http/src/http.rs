//! One request and its answer.

use crate::Server;

/// A request to the server.
#[derive(Debug)]
pub struct Request<'a> {
    /// The server that it goes to.
    pub server: &'a Server,
    /// The HTTP method.
    pub method: Method,
    /// Below the beginning of the API, with its query.
    pub path: &'a str,
    /// JSON, or nothing.
    pub body: &'a str,
}

/// The methods that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes.
    Post,
    /// Changes.
    Patch,
    /// Deletes.
    Delete,
}

impl Method {
    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body, at most 1 MiB of it.
    pub body: Vec<u8>,
}

/// Sends HTTP requests.
pub trait Http {
    /// Sends a request, or says why there is no answer.
    ///
    /// # Errors
    /// A short text for the operator, without a secret.
    fn send(&mut self, request: &Request<'_>) -> Result<Response, String>;
}

/// Sends requests through the host, within the operator's HTTP grant. The host also bounds
/// the time: it ends a request early enough that the call can still answer. Off wasm nobody
/// is asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Host;

#[cfg(not(target_family = "wasm"))]
impl Http for Host {
    fn send(&mut self, _: &Request<'_>) -> Result<Response, String> {
        Err("there is no HTTP here".to_owned())
    }
}
