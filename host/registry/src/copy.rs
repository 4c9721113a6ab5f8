//! Artifacts put in their place: a new one, or a copy with its signatures.

use crate::{
    artifact::{Artifact, Attached, fetch},
    bounds::{MANIFEST_BYTES_MAX, SIGNATURES_BYTES_MAX},
    error::Error,
    manifest::{
        Descriptor, INDEX, Index, MANIFEST, Manifest, WASM_CONFIG, WASM_LAYER, fallback_tag,
    },
    target::Target,
    transport::Progress,
    which::Which,
};
use ipam_api::Digest;
use ipam_signature::{EVIDENCE_BYTES_MAX, sha256};
use std::collections::BTreeMap;

/// When an artifact was made, as its config says: the same always, so that the
/// same component is the same artifact, whoever pushes it.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// What a component exports and imports, for whoever lists artifacts.
#[derive(Debug, Clone, Default)]
pub struct Interfaces<'a> {
    /// By their names.
    pub exports: &'a [String],
    /// By their names.
    pub imports: &'a [String],
}

/// Puts a component there as an artifact, under a tag.
///
/// # Errors
/// [`Error`].
pub fn push(
    to: &mut Target,
    tag: &str,
    component: &[u8],
    Interfaces { exports, imports }: &Interfaces<'_>,
) -> Result<Artifact, Error> {
    let layer = descriptor(WASM_LAYER, component);
    // What a driver needs, its component says; what a config says is not read.
    let config = serde_json::json!({
        "created": CREATED,
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [layer.digest],
        "component": {"exports": exports, "imports": imports},
    });
    let config = config.to_string().into_bytes();
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        artifact_type: None,
        config: descriptor(WASM_CONFIG, &config),
        layers: vec![layer],
        subject: None,
        annotations: BTreeMap::new(),
    };
    let bytes = serde_json::to_vec(&manifest).map_err(Error::layout)?;
    to.put_blob(sha256(component), component)?;
    to.put_blob(sha256(&config), &config)?;
    let which = Which::Tag(tag);
    to.put_manifest(&which, MANIFEST, sha256(&bytes), &bytes)?;
    Artifact::of_manifest("the manifest", which, bytes)
}

/// What of an artifact's signatures came along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// How many manifests that may have signatures.
    pub signatures: usize,
    /// What was passed over.
    pub notes: Vec<String>,
}

/// Copies an artifact and what may be its signatures. Those come first: whoever
/// finds the artifact finds them. What strangers attached to it, and cannot be
/// copied, holds nothing up.
///
/// # Errors
/// [`Error`].
pub fn copy(
    artifact: &Artifact,
    from: &mut Target,
    to: &mut Target,
    tag: Option<&str>,
    component_bytes_max: usize,
    progress: Progress<'_>,
) -> Result<Copied, Error> {
    let component = artifact.component(from, component_bytes_max, progress)?;
    to.put_blob(artifact.component_digest(), &component)?;
    let config = &artifact.parsed().config;
    let bytes = fetch(from, "the config", config, MANIFEST_BYTES_MAX, &mut |_| ())?;
    to.put_blob(config.digest()?, &bytes)?;
    let digest = artifact.digest();
    let (mut signatures, mut put, mut left) = (0, Ok(()), SIGNATURES_BYTES_MAX);
    let notes = artifact.each_attached(from, |from, one| {
        if put.is_ok() {
            let blobs = one.blobs(from, &mut left)?;
            put = one.put(digest, &blobs, to);
            signatures += 1;
        }
        Ok(())
    })?;
    put?;
    let which = tag.map_or(Which::Digest(digest), Which::Tag);
    to.put_manifest(&which, MANIFEST, digest, artifact.manifest())?;
    Ok(Copied { signatures, notes })
}

impl Attached {
    /// What its manifest names.
    fn blobs(&self, from: &mut Target, left: &mut usize) -> Result<Vec<(Digest, Vec<u8>)>, Error> {
        let Self { digest, manifest: Manifest { layers, config, .. }, .. } = self;
        let what = format!("what {digest} names");
        let one = |blob: &Descriptor| {
            let most = EVIDENCE_BYTES_MAX.min(*left);
            let bytes = fetch(from, &what, blob, most, &mut |_| ())?;
            *left = left.saturating_sub(bytes.len());
            Ok((blob.digest()?, bytes))
        };
        layers.iter().chain([config]).map(one).collect()
    }

    fn put(&self, of: Digest, blobs: &[(Digest, Vec<u8>)], to: &mut Target) -> Result<(), Error> {
        let Self { tag, digest, bytes, .. } = self;
        for (digest, bytes) in blobs {
            to.put_blob(*digest, bytes)?;
        }
        let which = tag.as_deref().map_or(Which::Digest(*digest), Which::Tag);
        let is_listed = to.put_manifest(&which, MANIFEST, *digest, bytes)?;
        if tag.is_none() && !is_listed {
            self.list(of, to)?;
        }
        Ok(())
    }

    /// Adds it to the list of referrers, which a registry without the API does not
    /// keep by itself.
    fn list(&self, of: Digest, to: &mut Target) -> Result<(), Error> {
        let tag = fallback_tag(of);
        let which = Which::Tag(&tag);
        let mut index = match to.manifest(&which)? {
            Some(bytes) => Index::parse("the list of referrers", &bytes)?,
            None => Index {
                schema_version: 2,
                media_type: Some(INDEX.to_owned()),
                manifests: Vec::new(),
            },
        };
        let mut one = descriptor(MANIFEST, &self.bytes);
        if index.manifests.iter().any(|there| there.digest == one.digest) {
            return Ok(());
        }
        one.artifact_type = Some(self.manifest.kind().to_owned());
        one.annotations = self.manifest.annotations.clone();
        index.manifests.push(one);
        let bytes = serde_json::to_vec(&index).map_err(Error::layout)?;
        to.put_manifest(&which, INDEX, sha256(&bytes), &bytes).map(drop)
    }
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: sha256(bytes).to_string(),
        size: bytes.len() as u64,
        artifact_type: None,
        annotations: BTreeMap::new(),
    }
}
