//! Requests to a registry: who is asked, with which rights, how often, and where
//! it may send us.
//!
//! What holds:
//!
//! - credentials and tokens go to the registry that they are for and to whom it
//!   names as its realm, by https, or in the clear if the registry was declared
//!   so; after a redirect to another host they are left behind;
//! - every answer is bounded; nothing is asked again but what failed in a way
//!   that may pass.

use crate::{
    bounds::{ANSWER_BYTES_MAX, ATTEMPTS, BACK_OFF, REDIRECTS_MAX},
    challenge::Challenge,
    connect::connect,
    credentials::{Credentials, basic_value, look_up},
    error::{Error, may_pass},
    proxy::Proxies,
    url::{Origin, Url, escaped},
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use ipam_http_client::Connection;
use serde::Deserialize;
use std::{path::PathBuf, sync::Arc};
use tokio::time::sleep;
use tokio_rustls::rustls::ClientConfig;

const USER_AGENT: &str = concat!("wipam/", env!("CARGO_PKG_VERSION"));

/// A registry, and what we may do in one of its repositories.
pub(crate) struct Transport {
    pub(crate) origin: Origin,
    /// As it is called in Docker's configuration.
    pub(crate) registry: String,
    /// `repository:NAME:pull`.
    pub(crate) scope: String,
    pub(crate) plain_http: Vec<String>,
    pub(crate) credentials: Option<PathBuf>,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) proxies: Arc<Proxies>,
    /// What the registry wants to see.
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) connection: Option<(Origin, Connection)>,
}

/// What is asked.
pub(crate) struct Call<'a> {
    /// For whom reads why it failed.
    pub(crate) what: String,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(header::HeaderName, HeaderValue)>,
    pub(crate) body: &'a [u8],
    /// The largest body of the answer.
    pub(crate) most: usize,
}

/// Who is told how many bytes there are.
pub type Progress<'a> = &'a mut (dyn FnMut(usize) + Send);

type Answer = Response<Vec<u8>>;

impl Transport {
    /// Asks, again if that may help, and returns what is not a redirect.
    pub(crate) async fn send(
        &mut self,
        call: &Call<'_>,
        progress: Progress<'_>,
    ) -> Result<Answer, Error> {
        let mut pause = BACK_OFF;
        let mut attempt = 1;
        loop {
            let outcome = self.follow(call, progress).await;
            let is_tried_again = match &outcome {
                Ok(answer) => may_pass(answer.status().as_u16()),
                Err(error) => error.is_outage(),
            };
            if !is_tried_again || attempt == ATTEMPTS {
                return outcome;
            }
            self.connection = None;
            sleep(pause).await;
            pause *= 2;
            attempt += 1;
        }
    }

    fn is_plain(&self) -> impl Fn(&str) -> bool {
        |authority| self.plain_http.iter().any(|one| one == authority)
    }

    /// Where a `Location` of an answer leads.
    pub(crate) fn location(&self, from: &Url, headers: &HeaderMap) -> Result<Url, Error> {
        match headers.get(header::LOCATION).map(HeaderValue::to_str) {
            Some(Ok(to)) => from.join(to, self.is_plain()),
            Some(Err(_)) | None => {
                let why = "there is no Location in the answer";
                Err(Error::Redirect { to: "nowhere".to_owned(), why })
            }
        }
    }

    /// Where the next page of a list is ([RFC 8288]); nothing if this is the last.
    ///
    /// [RFC 8288]: https://www.rfc-editor.org/rfc/rfc8288
    pub(crate) fn next_page(&self, from: &Url, headers: &HeaderMap) -> Option<Result<Url, Error>> {
        let fields = headers.get_all(header::LINK).iter().filter_map(|it| it.to_str().ok());
        let to = fields.flat_map(|field| field.split('<').skip(1)).find_map(|link| {
            let (to, parameters) = link.split_once('>')?;
            let is_next = |it: &str| {
                let it = it.trim();
                it.eq_ignore_ascii_case("rel=\"next\"") || it.eq_ignore_ascii_case("rel=next")
            };
            parameters.split([';', ',']).any(is_next).then_some(to)
        });
        to.map(|to| from.join(to, self.is_plain()))
    }

    async fn follow(&mut self, call: &Call<'_>, progress: Progress<'_>) -> Result<Answer, Error> {
        let mut url = call.url.clone();
        let (mut redirects, mut was_refused) = (0, false);
        loop {
            let answer = self.exchange(call, &url, progress).await?;
            let is_safe = matches!(call.method, Method::GET | Method::HEAD);
            match answer.status() {
                StatusCode::UNAUTHORIZED if url.origin == self.origin && !was_refused => {
                    was_refused = true;
                    self.log_in(&call.what, answer.headers()).await?;
                }
                status if status.is_redirection() && is_safe => {
                    redirects += 1;
                    let to = self.location(&url, answer.headers())?;
                    if redirects > REDIRECTS_MAX {
                        let to = to.origin.authority();
                        return Err(Error::Redirect { to, why: "that was too often" });
                    }
                    url = to;
                }
                _ => return Ok(answer),
            }
        }
    }

    /// One request and its answer. The registry alone learns who asks.
    async fn exchange(
        &mut self,
        call: &Call<'_>,
        url: &Url,
        progress: Progress<'_>,
    ) -> Result<Answer, Error> {
        let mut headers = call.headers.clone();
        if url.origin == self.origin {
            headers.extend(self.authorization.clone().map(|it| (header::AUTHORIZATION, it)));
        }
        let request = self.request(call, url, headers)?;
        let mut connection = match self.connection.take() {
            Some((origin, open)) if origin == url.origin && open.is_open() => open,
            _ => connect(&url.origin, &self.tls, &self.proxies).await?,
        };
        // The text of an error may be longer than what was asked for.
        let most = call.most.max(ANSWER_BYTES_MAX);
        let answer = connection.send_watched(request, most, progress).await;
        let answer = answer.map_err(|error| failed(&url.origin, call, &error))?;
        self.check_proxy(&url.origin, &answer)?;
        if answer.status().is_success() && answer.body().len() > call.most {
            return Err(Error::TooLarge { what: call.what.clone(), most: call.most });
        }
        self.connection = Some((url.origin.clone(), connection));
        Ok(answer)
    }

    /// A proxy for hosts in the clear is asked for the whole URL.
    fn request(
        &self,
        call: &Call<'_>,
        Url { origin, path }: &Url,
        mut headers: Vec<(header::HeaderName, HeaderValue)>,
    ) -> Result<Request<Vec<u8>>, Error> {
        let mut uri = path.clone();
        if let Some(proxy) = self.proxies.before(origin)?.filter(|_| origin.is_plain) {
            uri = format!("http://{}{path}", origin.authority());
            let value = proxy.authorization.clone();
            headers.extend(value.map(|value| (header::PROXY_AUTHORIZATION, value)));
        }
        let mut request = Request::builder()
            .method(&call.method)
            .uri(uri)
            .header(header::HOST, origin.authority())
            .header(header::USER_AGENT, USER_AGENT);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(call.body.to_vec()).map_err(Error::layout)
    }

    /// Whether it is the proxy that answers.
    fn check_proxy(&self, origin: &Origin, answer: &Answer) -> Result<(), Error> {
        match self.proxies.before(origin)? {
            Some(proxy) if answer.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                Err(proxy.refused())
            }
            _ => Ok(()),
        }
    }

    /// Gets what the registry asks for.
    async fn log_in(&mut self, what: &str, headers: &HeaderMap) -> Result<(), Error> {
        let fields = headers.get_all(header::WWW_AUTHENTICATE);
        let challenge = Challenge::of(fields.iter().filter_map(|field| field.to_str().ok()));
        let credentials = match &self.credentials {
            Some(file) => look_up(file, &self.registry).map_err(Error::Login)?,
            None => None,
        };
        let denied = |advice| Error::Denied { what: what.to_owned(), advice };
        let value = match (challenge, credentials) {
            (Some(Challenge::Basic), Some(Credentials::Basic { user, password })) => {
                basic_value(&user, &password)
            }
            (Some(Challenge::Basic), Some(Credentials::Identity(_))) => {
                return Err(denied("the registry wants a password, and Docker has a token"));
            }
            (Some(Challenge::Basic), None) => {
                return Err(denied("run `docker login`, or check the name"));
            }
            (Some(Challenge::Bearer { realm, service }), credentials) => {
                let token = self.token(&realm, service.as_deref(), credentials).await?;
                format!("Bearer {token}")
            }
            (None, _) => return Err(Error::Login("the registry does not say how".to_owned())),
        };
        let mut value = HeaderValue::from_str(&value).map_err(|_| {
            Error::Login("a token or password has characters that HTTP has not".to_owned())
        })?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(())
    }

    /// Asks the realm for a token ([Docker's specification]).
    ///
    /// [Docker's specification]: https://distribution.github.io/distribution/spec/auth/token/
    pub(crate) async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        credentials: Option<Credentials>,
    ) -> Result<String, Error> {
        // Not those that another registry was declared with.
        let is_plain_allowed = |_: &str| self.origin.is_plain;
        let mut url = Url::parse(realm, is_plain_allowed).map_err(|error| {
            let Error::Redirect { to, why } = error else { return error };
            Error::Login(format!("it names {to} for tokens: {why}"))
        })?;
        let mut form = format!("scope={}", escaped(&self.scope));
        if let Some(service) = service {
            form = format!("service={}&{form}", escaped(service));
        }
        let mut headers = vec![(header::ACCEPT, HeaderValue::from_static("application/json"))];
        let (method, body) = match credentials {
            Some(Credentials::Identity(token)) => {
                let form = format!(
                    "grant_type=refresh_token&client_id=wipam&{form}&refresh_token={}",
                    escaped(&token)
                );
                let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
                headers.push((header::CONTENT_TYPE, kind));
                (Method::POST, form)
            }
            credentials => {
                url.path.push(if url.path.contains('?') { '&' } else { '?' });
                url.path.push_str(&form);
                if let Some(Credentials::Basic { user, password }) = credentials {
                    let value = HeaderValue::from_str(&basic_value(&user, &password));
                    headers.extend(value.ok().map(|value| (header::AUTHORIZATION, value)));
                }
                (Method::GET, String::new())
            }
        };
        let call = Call {
            what: "a token".to_owned(),
            method,
            url,
            headers,
            body: body.as_bytes(),
            most: ANSWER_BYTES_MAX,
        };
        let request = self.request(&call, &call.url, call.headers.clone())?;
        let mut connection = connect(&call.url.origin, &self.tls, &self.proxies).await?;
        let answer = connection.send(request, call.most).await;
        let answer = answer.map_err(|error| failed(&call.url.origin, &call, &error))?;
        self.check_proxy(&call.url.origin, &answer)?;
        if answer.status().is_server_error() {
            return Err(refused(&call.what, &answer));
        }
        if !answer.status().is_success() {
            let host = call.url.origin.authority();
            return Err(Error::Login(format!("{host} answered {}", answer.status().as_u16())));
        }
        #[derive(Deserialize)]
        struct Token {
            token: Option<String>,
            access_token: Option<String>,
        }
        let token: Token = serde_json::from_slice(answer.body())
            .map_err(|_| Error::Login("the token is no JSON".to_owned()))?;
        let token = token.token.or(token.access_token);
        token.ok_or_else(|| Error::Login("there is no token in the answer".to_owned()))
    }
}

fn failed(origin: &Origin, call: &Call<'_>, error: &ipam_http_client::Error) -> Error {
    match error {
        ipam_http_client::Error::TooLarge { .. } => {
            Error::TooLarge { what: call.what.clone(), most: call.most }
        }
        ipam_http_client::Error::Connect(_) | ipam_http_client::Error::Http(_) => {
            let source = std::error::Error::source(error).map(|it| format!(": {it}"));
            let why = format!("{error}{}", source.unwrap_or_default());
            Error::Unreachable { host: origin.authority(), why }
        }
    }
}

/// What the registry says instead of what was asked for.
pub(crate) fn refused(what: &str, answer: &Answer) -> Error {
    let what = what.to_owned();
    match answer.status() {
        StatusCode::NOT_FOUND => Error::NotFound(what),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Error::Denied { what, advice: "check the name, and what `docker login` knows" }
        }
        status => Error::Status { what, status: status.as_u16(), said: said(answer.body()) },
    }
}

/// The first error that a registry names.
fn said(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        message: Option<String>,
    }
    let errors: Option<Errors> = serde_json::from_slice(body).ok();
    let first = errors.and_then(|errors| errors.errors.into_iter().next());
    first.and_then(|one| one.message).unwrap_or_default()
}
