//! One repository of a registry, over the [distribution specification].
//!
//! Its calls block, on a runtime of their own: drivers are loaded on plain
//! threads. All of them together have [`PULL_TIME`].
//!
//! [distribution specification]: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md

use crate::{
    bounds::{ANSWER_BYTES_MAX, MANIFEST_BYTES_MAX, PULL_TIME, REFERRER_PAGES_MAX},
    credentials::of_docker,
    error::Error,
    manifest::{Descriptor, INDEX, Index, MANIFEST, fallback_tag},
    proxy::Proxies,
    reference::Reference,
    tls,
    transport::{Call, Progress, Transport, refused},
    url::{Origin, Url},
    which::Which,
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use ipam_api::Digest;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    runtime::Runtime,
    time::{Instant, timeout_at},
};

/// What a registry says if it noticed that a manifest refers to another one.
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// How registries are asked.
#[derive(Debug, Clone)]
pub struct Client {
    plain_http: Vec<String>,
    credentials: Option<PathBuf>,
    proxies: Arc<Proxies>,
    time: Duration,
}

/// What is to be done in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To read.
    Pull,
    /// To read and write.
    Push,
}

impl Client {
    /// A client that speaks to these registries in the clear, by host and port,
    /// to all others by TLS, and has Docker's credentials and the environment's
    /// proxies.
    #[must_use]
    pub fn new(plain_http: Vec<String>) -> Self {
        let proxies = Arc::new(Proxies::of_environment());
        Self { plain_http, credentials: of_docker(), proxies, time: PULL_TIME }
    }

    /// The same with the credentials of another file, in Docker's format.
    #[must_use]
    pub fn with_credentials(self, file: Option<PathBuf>) -> Self {
        Self { credentials: file, ..self }
    }

    /// The same with these proxies.
    #[cfg(test)]
    pub(crate) fn through(self, proxies: Proxies) -> Self {
        Self { proxies: Arc::new(proxies), ..self }
    }

    /// The same in a hurry.
    #[cfg(test)]
    pub(crate) fn within(self, time: Duration) -> Self {
        Self { time, ..self }
    }

    /// The repository of a reference. Nothing is asked yet.
    ///
    /// # Errors
    /// When this process has no room for it.
    pub fn open(&self, reference: &Reference, access: Access) -> Result<Box<Repository>, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Error::io("cannot start"))?;
        let registry = reference.registry().to_owned();
        let is_plain = self.plain_http.contains(&registry);
        let actions = match access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
        };
        let repository = reference.repository().to_owned();
        let transport = Transport {
            origin: Origin::of_registry(&registry, is_plain),
            registry,
            scope: format!("repository:{repository}:{actions}"),
            plain_http: self.plain_http.clone(),
            credentials: self.credentials.clone(),
            tls: tls::MACHINE.clone(),
            proxies: self.proxies.clone(),
            authorization: None,
            connection: None,
        };
        let ends = Instant::now() + self.time;
        let time = self.time;
        Ok(Box::new(Repository { runtime: Some(runtime), transport, repository, ends, time }))
    }
}

/// A repository that is read or written.
pub struct Repository {
    /// There until dropped.
    runtime: Option<Runtime>,
    transport: Transport,
    repository: String,
    ends: Instant,
    /// How long that was.
    time: Duration,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository").field("name", &self.repository).finish_non_exhaustive()
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        self.transport.connection = None;
        if let Some(runtime) = self.runtime.take() {
            // The look-up of a name cannot be ended, and is not waited for.
            runtime.shutdown_background();
        }
    }
}

/// Whether a registry that answers so has no referrers API.
fn is_without_referrers(status: StatusCode) -> bool {
    let is_refusal = matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
    );
    status == StatusCode::NOT_IMPLEMENTED || status.is_client_error() && !is_refusal
}

type Headers = Vec<(HeaderName, HeaderValue)>;
type Answer = http::Response<Vec<u8>>;

impl Repository {
    fn url(&self, path: &str) -> Url {
        let path = format!("/v2/{}/{path}", self.repository);
        Url { origin: self.transport.origin.clone(), path }
    }

    fn send(&mut self, call: &Call<'_>, progress: Progress<'_>) -> Result<Answer, Error> {
        let Self { runtime, transport, ends, time, .. } = self;
        let runtime = runtime.as_ref().expect("it is taken when this is dropped");
        let answer =
            runtime.block_on(async { timeout_at(*ends, transport.send(call, progress)).await });
        answer.unwrap_or(Err(Error::TimedOut(*time)))
    }

    fn get(&mut self, what: &str, url: Url, accept: &str, most: usize) -> Result<Answer, Error> {
        self.get_watched(what, url, accept, most, &mut |_| ())
    }

    fn get_watched(
        &mut self,
        what: &str,
        url: Url,
        accept: &str,
        most: usize,
        progress: Progress<'_>,
    ) -> Result<Answer, Error> {
        let accept = HeaderValue::from_str(accept).map_err(Error::layout)?;
        let call = Call {
            what: what.to_owned(),
            method: Method::GET,
            url,
            headers: vec![(header::ACCEPT, accept)],
            body: &[],
            most,
        };
        self.send(&call, progress)
    }

    pub(crate) fn manifest(&mut self, which: &Which<'_>) -> Result<Option<Vec<u8>>, Error> {
        let accept = format!("{MANIFEST}, {INDEX}");
        let url = self.url(&format!("manifests/{which}"));
        let what = which.in_words();
        let answer = self.get(&what, url, &accept, MANIFEST_BYTES_MAX)?;
        match answer.status() {
            StatusCode::OK => Ok(Some(answer.into_body())),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(refused(&what, &answer)),
        }
    }

    pub(crate) fn blob(
        &mut self,
        what: &str,
        digest: Digest,
        most: usize,
        progress: Progress<'_>,
    ) -> Result<Vec<u8>, Error> {
        let url = self.url(&format!("blobs/{digest}"));
        let answer = self.get_watched(what, url, "*/*", most, progress)?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            _ => Err(refused(what, &answer)),
        }
    }

    /// What refers to a manifest. A registry without the referrers API has them
    /// under a tag, if whoever put them there did that.
    pub(crate) fn referrers(&mut self, of: Digest) -> Result<Vec<Descriptor>, Error> {
        let what = "the list of referrers";
        let mut url = self.url(&format!("referrers/{of}"));
        let (mut found, mut bytes) = (Vec::new(), 0);
        for page in 0..REFERRER_PAGES_MAX {
            let answer = self.get(what, url.clone(), INDEX, MANIFEST_BYTES_MAX)?;
            if page == 0 && is_without_referrers(answer.status()) {
                let list = self.manifest(&Which::Tag(&fallback_tag(of)))?;
                return list.map_or(Ok(found), |list| Ok(Index::parse(what, &list)?.manifests));
            }
            if answer.status() != StatusCode::OK {
                return Err(refused(what, &answer));
            }
            bytes += answer.body().len();
            if bytes > MANIFEST_BYTES_MAX {
                return Err(Error::TooLarge { what: what.to_owned(), most: MANIFEST_BYTES_MAX });
            }
            found.append(&mut Index::parse(what, answer.body())?.manifests);
            match self.transport.next_page(&url, answer.headers()) {
                Some(next) => url = next?,
                None => return Ok(found),
            }
        }
        Err(Error::Layout(format!("{what} has more than {REFERRER_PAGES_MAX} pages")))
    }

    /// Whether the registry has a blob.
    fn has_blob(&mut self, digest: Digest) -> Result<bool, Error> {
        let call = Call {
            what: "a blob".to_owned(),
            method: Method::HEAD,
            url: self.url(&format!("blobs/{digest}")),
            headers: Headers::new(),
            body: &[],
            most: 0,
        };
        let answer = self.send(&call, &mut |_| ())?;
        match answer.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(refused("a blob", &answer)),
        }
    }

    pub(crate) fn put_blob(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), Error> {
        if self.has_blob(digest)? {
            return Ok(());
        }
        let what = "the upload of a blob";
        let begin = Call {
            what: what.to_owned(),
            method: Method::POST,
            url: self.url("blobs/uploads/"),
            headers: vec![(header::CONTENT_LENGTH, 0.into())],
            body: &[],
            most: ANSWER_BYTES_MAX,
        };
        let answer = self.send(&begin, &mut |_| ())?;
        if answer.status() != StatusCode::ACCEPTED {
            return Err(refused(what, &answer));
        }
        let mut url = self.transport.location(&begin.url, answer.headers())?;
        url.path.push(if url.path.contains('?') { '&' } else { '?' });
        url.path.push_str(&format!("digest={digest}"));
        let kind = HeaderValue::from_static("application/octet-stream");
        let put = Call {
            what: what.to_owned(),
            method: Method::PUT,
            url,
            headers: vec![(header::CONTENT_TYPE, kind)],
            body: bytes,
            most: ANSWER_BYTES_MAX,
        };
        self.put(&put).map(drop)
    }

    fn put(&mut self, put: &Call<'_>) -> Result<Answer, Error> {
        let answer = self.send(put, &mut |_| ())?;
        match answer.status() {
            StatusCode::CREATED | StatusCode::OK | StatusCode::ACCEPTED => Ok(answer),
            _ => Err(refused(&put.what, &answer)),
        }
    }

    /// Whether the registry has noticed what the manifest refers to.
    pub(crate) fn put_manifest(
        &mut self,
        which: &Which<'_>,
        kind: &'static str,
        bytes: &[u8],
    ) -> Result<bool, Error> {
        let put = Call {
            what: "the upload of a manifest".to_owned(),
            method: Method::PUT,
            url: self.url(&format!("manifests/{which}")),
            headers: vec![(header::CONTENT_TYPE, HeaderValue::from_static(kind))],
            body: bytes,
            most: ANSWER_BYTES_MAX,
        };
        Ok(self.put(&put)?.headers().contains_key(SUBJECT))
    }
}
