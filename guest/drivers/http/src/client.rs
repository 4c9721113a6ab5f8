//! Asking a server, and what its answers mean.

use crate::{Http, Method, Request, Response, Server};
use ipam_driver::{Error, Kind, log};
use serde_json::Value;

/// Bytes of the server's words that are passed on.
const WORDS_BYTES_MAX: usize = 300;
/// How a reason begins where the connection ended before there was an answer. What
/// reads may be sent again then; what makes or deletes may have been heard.
const LOST: [&str; 3] = ["ConnectionTerminated", "HttpProtocolError", "HttpResponseIncomplete"];
/// What helps where TLS fails.
const TLS_HELP: &str = "the log of wipam says why; SSL_CERT_FILE names a file with the \
    certificate of an authority that the machine does not know";

/// A server, and a way to ask it.
#[derive(Debug)]
pub struct Client<H> {
    server: Server,
    http: H,
}

#[expect(clippy::missing_errors_doc, reason = "`unavailable` where there is no answer")]
impl<H: Http> Client<H> {
    /// A client of that server.
    #[must_use]
    pub fn new(server: Server, http: H) -> Self {
        Self { server, http }
    }

    /// Sends a GET, which reads. A request whose connection is lost is sent once more.
    pub fn get(&mut self, path: &str) -> Result<Response, Error> {
        self.ask(Method::Get, path, None)
    }

    /// Sends a POST, which makes an object.
    pub fn post(&mut self, path: &str, body: &Value) -> Result<Response, Error> {
        self.ask(Method::Post, path, Some(body))
    }

    /// Sends a PATCH, which changes an object.
    pub fn patch(&mut self, path: &str, body: &Value) -> Result<Response, Error> {
        self.ask(Method::Patch, path, Some(body))
    }

    /// Sends a DELETE, which deletes an object, or those that the body names. One that the
    /// server could not do (500) is sent once more: what is deleted twice is gone once.
    pub fn delete(&mut self, path: &str, body: Option<&Value>) -> Result<Response, Error> {
        self.ask(Method::Delete, path, body)
    }

    /// What errors call the server.
    pub(crate) fn name(&self) -> &'static str {
        self.server.name
    }

    fn ask(&mut self, method: Method, path: &str, body: Option<&Value>) -> Result<Response, Error> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request { server: &self.server, method, path, body: &body };
        let mut answer = self.http.send(&request);
        let is_lost = |reason: &String| LOST.iter().any(|lost| reason.starts_with(lost));
        // NetBox's database ends one of two deletions that wait for each other with a 500.
        let was_undone = |it: &Response| method == Method::Delete && it.status == 500;
        if method == Method::Get && answer.as_ref().is_err_and(is_lost)
            || answer.as_ref().is_ok_and(was_undone)
        {
            answer = self.http.send(&request);
        }
        answer.map_err(|reason| {
            let mut text = format!("{} does not answer: {}", self.server.name, cut(&reason));
            if reason.starts_with("Tls") {
                text = format!("{text}: {TLS_HELP}");
            }
            Error::other(Kind::Unavailable, text)
        })
    }

    /// The body of an answer that must have that status.
    ///
    /// # Errors
    /// The refusal that another status stands for; `internal` for what is no JSON.
    pub fn json(&self, response: &Response, status: u16) -> Result<Value, Error> {
        if response.status != status {
            return Err(self.refusal(response));
        }
        serde_json::from_slice(&response.body).map_err(|_| self.odd("that is no JSON"))
    }

    /// The error of an answer that is no success, with the server's text if it has one;
    /// that of a server that broke (500 and above) goes to the log.
    #[must_use]
    pub fn refusal(&self, response: &Response) -> Error {
        let status = response.status;
        let kind = match status {
            401 | 403 => Kind::Forbidden,
            400 | 409 => Kind::BadRequest,
            404 => Kind::NotFound,
            429 | 500.. => Kind::Unavailable,
            _ => Kind::Internal,
        };
        let text = format!("{} answers {status}", self.server.name);
        match self.words(response) {
            // What broke in a server is its operators' business, and no caller's.
            Some(words) if status >= 500 => {
                log::warn(format!("{text}: {words}"));
                Error::other(kind, text)
            }
            Some(words) => Error::other(kind, format!("{text}: {words}")),
            None => Error::other(kind, text),
        }
    }

    /// The refusal of an answer that means that something is not there, whatever its status.
    #[must_use]
    pub fn not_found(&self, response: &Response) -> Error {
        Error::other(Kind::NotFound, self.refusal(response).text())
    }

    /// The refusal of an answer that is not the server's own, but a proxy's or another
    /// site's: it says nothing of what is there.
    #[must_use]
    pub fn another_server(&self, response: &Response) -> Error {
        let (name, status) = (self.server.name, response.status);
        let text = format!("another server than {name} answers {status}: is the url right?");
        Error::other(Kind::Unavailable, text)
    }

    /// Whether the server says that something is not there: a 404 with words of its own.
    ///
    /// # Errors
    /// `unavailable` for a 404 of another server.
    pub fn is_gone(&self, response: &Response) -> Result<bool, Error> {
        if response.status != 404 {
            return Ok(false);
        }
        let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let is_own = body.get(self.server.words).is_some_and(Value::is_string);
        if is_own { Ok(true) } else { Err(self.another_server(response)) }
    }

    /// What the server says of an error, if it does in JSON.
    fn words(&self, response: &Response) -> Option<String> {
        let value: Value = serde_json::from_slice(&response.body).ok()?;
        let words = value.get(self.server.words).and_then(Value::as_str);
        Some(words.map_or_else(|| cut(&value.to_string()).to_owned(), |it| cut(it).to_owned()))
    }

    /// An answer that is not what the documentation says.
    #[must_use]
    pub fn odd(&self, text: &str) -> Error {
        odd(self.server.name, text)
    }
}

pub(crate) fn odd(name: &str, text: &str) -> Error {
    Error::other(Kind::Internal, format!("{name}'s answer is not understood: {text}"))
}

/// The text of a key of a JSON object; empty if there is none.
#[must_use]
pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The number of a key of a JSON object, which may be written as a string.
#[must_use]
pub fn number(value: &Value, key: &str) -> Option<u64> {
    let value = value.get(key)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A text as a value in a query, or as a part of a path.
#[must_use]
pub fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The text that [`escaped`] made that of. What is no escape stays as it is.
#[must_use]
pub fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'%')
            .then(|| after.get(..2).and_then(|code| std::str::from_utf8(code).ok()))
            .flatten()
            // It would take a sign, too.
            .filter(|code| code.bytes().all(|it| it.is_ascii_hexdigit()))
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(WORDS_BYTES_MAX)]
}
