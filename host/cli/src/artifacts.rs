//! Drivers from registries, as the daemon has them: locked by tag, kept by
//! digest, verified each time.

use crate::{fatal::Fatal, signature_table::SignaturePolicy};
use ipam_api::Digest;
use ipam_registry::{
    Access, Artifact, Cache, Client, Error, Lock, Reference, Signatures, Target, Which,
};
use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// What was fetched, and what each tag meant.
pub(crate) struct Artifacts {
    cache: Cache,
    lock: Mutex<Lock>,
}

/// When a registry is asked what a tag means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LookUp {
    /// Not if it is known: at the start of the daemon.
    IfUnknown,
    /// Always, but what is known will do if the registry is down: when the
    /// configuration is read again.
    IfReachable,
    /// Always: when the operator upgrades.
    Always,
}

/// How an artifact is fetched, and what it must be.
#[derive(Debug)]
pub(crate) struct Requirements<'a> {
    pub(crate) signed: Option<&'a SignaturePolicy>,
    pub(crate) plain_http: &'a [String],
    pub(crate) bytes_max: usize,
}

impl Requirements<'_> {
    /// Checks the signatures, and says who signed it.
    fn signed_by(
        &self,
        reference: &Reference,
        digest: Digest,
        signatures: &Signatures,
    ) -> Result<String, String> {
        match self.signed {
            Some(signed) => {
                let verified = signed.check_artifact(Some(reference), digest, signatures)?;
                Ok(verified.to_string())
            }
            None => Ok("not checked".to_owned()),
        }
    }
}

/// A component that may be compiled.
pub(crate) struct Fetched {
    pub(crate) bytes: Vec<u8>,
    /// Of its manifest.
    pub(crate) digest: Digest,
}

impl Artifacts {
    pub(crate) fn open(cache: &Path, lock: &Path) -> Result<Self, Fatal> {
        let lock = Lock::open(lock).map_err(|error| Fatal::Failed(error.to_string()))?;
        Ok(Self { cache: Cache::new(cache), lock: Mutex::new(lock) })
    }

    fn lock(&self) -> MutexGuard<'_, Lock> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What serves from now on is what a restart loads.
    pub(crate) fn note(&self, reference: &Reference, digest: Digest) {
        if reference.digest().is_some() {
            return;
        }
        if let Err(error) = self.lock().set(reference, digest) {
            tracing::warn!(%reference, %digest, %error, "the digest is not locked; the next start asks the registry");
        }
    }

    /// Which of those that were fetched have this component, as far as they are kept.
    pub(crate) fn with_component(&self, component: Digest) -> Vec<Digest> {
        self.cache.with_component(component)
    }

    /// The component of a reference, if it may be used.
    pub(crate) fn fetch(
        &self,
        reference: &Reference,
        look_up: LookUp,
        required: &Requirements<'_>,
    ) -> Result<Fetched, String> {
        let locked = reference.digest().or_else(|| self.lock().get(reference));
        let is_settled = reference.digest().is_some() || look_up == LookUp::IfUnknown;
        let kept = || locked.and_then(|digest| self.kept(reference, digest, required));
        let refused = match is_settled.then(kept).flatten() {
            Some(Ok(fetched)) => return Ok(fetched),
            // Perhaps it was signed since.
            Some(Err(refused)) => Some(refused),
            None => None,
        };
        let which = match locked.filter(|_| is_settled) {
            Some(digest) => Which::Digest(digest),
            None => reference.which(),
        };
        match self.ask_registry(reference, which, required) {
            Ok(fetched) => fetched,
            Err(error) if error.is_outage() && look_up == LookUp::IfReachable => {
                let kept = kept().ok_or_else(|| error.to_string())?;
                tracing::warn!(%reference, %error, "the registry is not reached; what was locked is used");
                kept
            }
            Err(error) => Err(match refused {
                Some(refused) => format!("{refused}; {error}"),
                None => error.to_string(),
            }),
        }
    }

    /// From the cache, if it is there.
    fn kept(
        &self,
        reference: &Reference,
        digest: Digest,
        required: &Requirements<'_>,
    ) -> Option<Result<Fetched, String>> {
        let artifact = self.cache.artifact(digest)?;
        let evidence = self.cache.evidence(&artifact).unwrap_or_default();
        let signatures = Signatures { evidence, notes: Vec::new() };
        let by = match required.signed_by(reference, digest, &signatures) {
            Ok(by) => by,
            Err(refused) => return Some(Err(refused)),
        };
        let bytes = self.cache.get(artifact.component_digest(), required.bytes_max)?;
        tracing::info!(%reference, %digest, signed_by = by, "the artifact is in the cache");
        Some(Ok(Fetched { bytes, digest }))
    }

    /// Fetches it. The inner error is that it must not be used.
    fn ask_registry(
        &self,
        reference: &Reference,
        which: Which<'_>,
        required: &Requirements<'_>,
    ) -> Result<Result<Fetched, String>, Error> {
        let begin = Instant::now();
        let client = Client::new(required.plain_http.to_vec());
        let mut place = Target::Registry(client.open(reference, Access::Pull)?);
        let artifact = Artifact::resolve(&mut place, which)?;
        let digest = artifact.digest();
        // What nobody checks is not fetched. Who needs it later asks again.
        let signatures = match required.signed {
            Some(_) => artifact.signatures(&mut place)?,
            None => Signatures::default(),
        };
        let by = match required.signed_by(reference, digest, &signatures) {
            Ok(by) => by,
            Err(refused) => return Ok(Err(format!("{digest}: {refused}"))),
        };
        let component = artifact.component_digest();
        let bytes = match self.cache.get(component, required.bytes_max) {
            Some(bytes) => bytes,
            None => artifact.component(&mut place, required.bytes_max, &mut |_| ())?,
        };
        if let Err(error) = self.cache.put(&artifact, &bytes, &signatures.evidence) {
            tracing::warn!(%reference, %error, "the artifact is not kept; the next start asks the registry");
        }
        tracing::info!(
            %reference, %digest, %component, bytes = bytes.len(), signed_by = by,
            took = ?begin.elapsed(), "the artifact was fetched",
        );
        Ok(Ok(Fetched { bytes, digest }))
    }
}
