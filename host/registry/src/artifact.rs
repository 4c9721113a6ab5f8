//! A driver's artifact, and what says who signed it, wherever both lie.
//!
//! The driver's tag is read once; the manifest and the component are compared with
//! their digests.

use crate::{
    bounds::{ATTACHED_BYTES_MAX, NOTE_BYTES, REFERRERS_MAX, SIGNATURES_BYTES_MAX},
    error::Error,
    manifest::{Descriptor, Manifest, SIMPLE_SIGNING, fallback_tag},
    target::Target,
    transport::Progress,
    which::Which,
};
use ipam_api::{Digest, text::bounded};
use ipam_signature::{
    BUNDLE_MEDIA_TYPE, EVIDENCE_BYTES_MAX, Evidence, SIGN_PREDICATE_TYPE, sha256,
};

/// The annotation of a layer that has cosign's signature of it.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The annotation that says what a bundle is about.
const PREDICATE: &str = "dev.sigstore.bundle.predicateType";

/// A driver's artifact: its manifest, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    digest: Digest,
    bytes: Vec<u8>,
    manifest: Manifest,
    component: Digest,
}

/// What was found that may be a signature of an artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signatures {
    /// To be checked.
    pub evidence: Vec<Evidence>,
    /// What was passed over, for who wonders why a signature is missing.
    pub notes: Vec<String>,
}

/// A manifest that refers to an artifact.
pub(crate) struct Attached {
    /// Under which it was found, if not by its digest.
    pub(crate) tag: Option<String>,
    pub(crate) digest: Digest,
    pub(crate) bytes: Vec<u8>,
    pub(crate) manifest: Manifest,
}

impl Artifact {
    /// Reads a manifest, and checks that it is a driver's.
    ///
    /// # Errors
    /// [`Error`].
    pub fn resolve(target: &mut Target, which: Which<'_>) -> Result<Self, Error> {
        let what = which.in_words();
        let bytes = target.manifest(&which)?.ok_or_else(|| Error::NotFound(what.clone()))?;
        Self::of_manifest(&what, which, bytes)
    }

    pub(crate) fn of_manifest(what: &str, which: Which<'_>, bytes: Vec<u8>) -> Result<Self, Error> {
        let digest = sha256(&bytes);
        if let Which::Digest(expected) = which {
            same(what, expected, digest)?;
        }
        let manifest = Manifest::parse(what, &bytes)?;
        let component = manifest.component()?.digest()?;
        Ok(Self { digest, bytes, manifest, component })
    }

    /// The digest of the manifest: what is signed.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The digest of the component: what serves.
    #[must_use]
    pub fn component_digest(&self) -> Digest {
        self.component
    }

    /// How large the component says that it is, in bytes.
    #[must_use]
    pub fn component_bytes(&self) -> u64 {
        self.manifest.component().map_or(0, |layer| layer.size)
    }

    /// The manifest, as it was signed.
    #[must_use]
    pub fn manifest(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn parsed(&self) -> &Manifest {
        &self.manifest
    }

    /// Fetches the component, if it has at most `most` bytes.
    ///
    /// # Errors
    /// [`Error`].
    pub fn component(
        &self,
        target: &mut Target,
        most: usize,
        progress: Progress<'_>,
    ) -> Result<Vec<u8>, Error> {
        let layer = self.manifest.component()?;
        fetch(target, "the component", layer, most, progress)
    }

    /// Everything that may be a signature of this artifact.
    ///
    /// # Errors
    /// When the target cannot be read. What is wrong with one signature is a note.
    pub fn signatures(&self, target: &mut Target) -> Result<Signatures, Error> {
        let mut evidence = Vec::new();
        let mut left = SIGNATURES_BYTES_MAX;
        let mut of_layers = Vec::new();
        let mut notes = self.each_attached(target, |target, one| {
            evidence.extend(one.evidence(target, &mut left, &mut of_layers)?);
            Ok(())
        })?;
        notes.append(&mut of_layers);
        Ok(Signatures { evidence, notes })
    }

    /// Calls `look` with each manifest that may have signatures, one at a time, and
    /// returns notes about those passed over.
    pub(crate) fn each_attached(
        &self,
        target: &mut Target,
        mut look: impl FnMut(&mut Target, Attached) -> Result<(), Error>,
    ) -> Result<Vec<String>, Error> {
        let mut notes = Vec::new();
        let mut referrers = match target.referrers(self.digest) {
            Ok(referrers) => referrers,
            Err(error) if error.is_outage() => return Err(error),
            Err(error) => {
                notes.push(note(&error));
                Vec::new()
            }
        };
        if referrers.len() > REFERRERS_MAX {
            let count = referrers.len();
            notes.push(format!("{count} manifests refer to it; {REFERRERS_MAX} were looked at"));
        }
        // What the list says of its entries is not believed, and leaves none out:
        // cosign's own list calls bundles by another type. It says which are
        // looked at first.
        referrers.sort_by_key(|one| {
            one.annotations.get(PREDICATE).is_none_or(|it| it != SIGN_PREDICATE_TYPE)
        });
        referrers.truncate(REFERRERS_MAX);
        // The last is what cosign 2 puts beside an artifact.
        for referrer in referrers.iter().map(Some).chain([None]) {
            let found = match referrer {
                Some(referrer) => self.referrer(target, referrer),
                None => self.simple_signing(target),
            };
            let looked_at = match found {
                Ok(Some(found)) => look(target, found),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            match looked_at {
                Ok(()) => {}
                Err(error) if error.is_outage() => return Err(error),
                Err(error) => notes.push(note(&error)),
            }
        }
        Ok(notes)
    }

    /// A referrer, if it is a bundle about this artifact.
    fn referrer(&self, target: &mut Target, of: &Descriptor) -> Result<Option<Attached>, Error> {
        let digest = of.digest()?;
        let which = Which::Digest(digest);
        let what = format!("the referrer {digest}");
        let bytes = target.manifest(&which)?.ok_or_else(|| Error::NotFound(what.clone()))?;
        same(&what, digest, sha256(&bytes))?;
        let manifest = Attached::parse(&what, &bytes)?;
        let is_bundle = manifest.kind() == BUNDLE_MEDIA_TYPE
            || manifest.layers.first().is_some_and(|layer| layer.media_type == BUNDLE_MEDIA_TYPE);
        if !is_bundle {
            return Ok(None);
        }
        let subject = manifest.subject.as_ref().and_then(|subject| subject.digest().ok());
        if subject != Some(self.digest) {
            return Err(Error::Layout(format!("{what} is about another manifest")));
        }
        Ok(Some(Attached { tag: None, digest, bytes, manifest }))
    }

    /// What cosign 2 puts beside an artifact.
    fn simple_signing(&self, target: &mut Target) -> Result<Option<Attached>, Error> {
        let tag = format!("{}.sig", fallback_tag(self.digest));
        let which = Which::Tag(&tag);
        let Some(bytes) = target.manifest(&which)? else { return Ok(None) };
        let manifest = Attached::parse(&which.in_words(), &bytes)?;
        Ok(Some(Attached { digest: sha256(&bytes), tag: Some(tag), bytes, manifest }))
    }
}

/// What is wrong with one signature.
fn note(error: &Error) -> String {
    bounded(NOTE_BYTES, error)
}

impl Attached {
    /// Read, a manifest takes many times its bytes.
    fn parse(what: &str, bytes: &[u8]) -> Result<Manifest, Error> {
        if bytes.len() > ATTACHED_BYTES_MAX {
            return Err(Error::TooLarge { what: what.to_owned(), most: ATTACHED_BYTES_MAX });
        }
        Manifest::parse(what, bytes)
    }

    /// What of it may be a signature. One bad layer spoils none of the others.
    fn evidence(
        &self,
        target: &mut Target,
        left: &mut usize,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Evidence>, Error> {
        let Self { digest, manifest, .. } = self;
        let mut found = Vec::new();
        let count = manifest.layers.len();
        if count > REFERRERS_MAX {
            notes.push(format!("{digest} has {count} layers; {REFERRERS_MAX} were looked at"));
        }
        let what = format!("a signature in {digest}");
        for layer in manifest.layers.iter().take(REFERRERS_MAX) {
            let signature = match (&*layer.media_type, layer.annotations.get(SIGNATURE)) {
                (BUNDLE_MEDIA_TYPE, _) => None,
                (SIMPLE_SIGNING, Some(signature)) => Some(signature.clone()),
                _ => continue,
            };
            let most = EVIDENCE_BYTES_MAX.min(*left);
            let bytes = match fetch(target, &what, layer, most, &mut |_| ()) {
                Ok(bytes) => bytes,
                Err(error) if error.is_outage() => return Err(error),
                Err(error) => {
                    notes.push(note(&error));
                    continue;
                }
            };
            *left = left.saturating_sub(bytes.len());
            found.push(match signature {
                None => Evidence::Bundle(bytes),
                Some(signature) => Evidence::SimpleSigning { payload: bytes, signature },
            });
        }
        Ok(found)
    }
}

/// What a descriptor points to: of that size and that digest.
pub(crate) fn fetch(
    target: &mut Target,
    what: &str,
    of: &Descriptor,
    most: usize,
    progress: Progress<'_>,
) -> Result<Vec<u8>, Error> {
    let too_large = || Error::TooLarge { what: what.to_owned(), most };
    let size = usize::try_from(of.size).ok().filter(|size| *size <= most).ok_or_else(too_large)?;
    let digest = of.digest()?;
    let bytes = target.blob(what, digest, size, progress)?;
    same(what, digest, sha256(&bytes))?;
    Ok(bytes)
}

pub(crate) fn same(what: &str, expected: Digest, found: Digest) -> Result<(), Error> {
    if expected != found {
        return Err(Error::Digest { what: what.to_owned(), expected, found });
    }
    Ok(())
}
