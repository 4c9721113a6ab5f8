//! Manifests and indexes as the [image specification] has them, and what a
//! driver's artifact looks like ([CNCF's layout]).
//!
//! [image specification]: https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md
//! [CNCF's layout]: https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/

use crate::{
    bounds::{MANIFEST_BYTES_MAX, SHOWN_BYTES},
    error::Error,
};
use ipam_api::{Digest, text::bounded};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub(crate) const WASM_LAYER: &str = "application/wasm";
/// What tools wrote before there was a layout.
const OLDER_WASM_LAYER: &str = "application/vnd.wasm.content.layer.v1+wasm";
pub(crate) const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// What points to something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    /// Of any algorithm: who follows it says which one is understood.
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub(crate) fn digest(&self) -> Result<Digest, Error> {
        let no = || format!("a digest that is not SHA-256, {}", bounded(SHOWN_BYTES, &self.digest));
        self.digest.parse().map_err(|_| Error::Layout(no()))
    }
}

/// An image's manifest, which any artifact has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// A list of manifests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    pub(crate) manifests: Vec<Descriptor>,
}

impl Index {
    pub(crate) fn parse(what: &str, bytes: &[u8]) -> Result<Self, Error> {
        within(what, bytes)?;
        serde_json::from_slice(bytes).map_err(|error| {
            Error::Layout(format!("{what} is no index: {}", bounded(SHOWN_BYTES, error)))
        })
    }
}

fn within(what: &str, bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() > MANIFEST_BYTES_MAX {
        return Err(Error::TooLarge { what: what.to_owned(), most: MANIFEST_BYTES_MAX });
    }
    Ok(())
}

impl Manifest {
    /// Reads a manifest of version 2.
    pub(crate) fn parse(what: &str, bytes: &[u8]) -> Result<Self, Error> {
        within(what, bytes)?;
        // What is both would be read in two ways: it is refused, too.
        #[derive(Deserialize)]
        struct Any {
            manifests: Option<Vec<serde::de::IgnoredAny>>,
        }
        if let Ok(Any { manifests: Some(all) }) = serde_json::from_slice(bytes) {
            let count = all.len();
            return Err(Error::Layout(format!(
                "{what} is an index of {count} manifests, and no artifact: name one of them by its digest"
            )));
        }
        let no =
            |why: &dyn std::fmt::Display| Error::Layout(format!("{what} is no manifest: {why}"));
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| no(&bounded(SHOWN_BYTES, error)))?;
        match manifest.media_type.as_deref() {
            None | Some(MANIFEST) if manifest.schema_version == 2 => Ok(manifest),
            None | Some(MANIFEST) => Err(no(&"it is not of version 2")),
            Some(other) => Err(no(&format_args!("it is of type {}", bounded(SHOWN_BYTES, other)))),
        }
    }

    /// The layer that is the component. What the config says of it is not
    /// believed: the component says itself what it is.
    pub(crate) fn component(&self) -> Result<&Descriptor, Error> {
        let [layer] = &self.layers[..] else {
            let count = self.layers.len();
            return Err(Error::Layout(format!("it has {count} layers, and a driver has one")));
        };
        match &*layer.media_type {
            WASM_LAYER | OLDER_WASM_LAYER => Ok(layer),
            other => Err(Error::Layout(format!(
                "its layer is of type {}, and a driver's of type {WASM_LAYER}",
                bounded(SHOWN_BYTES, other)
            ))),
        }
    }

    /// What kind of artifact it is, if it says so.
    pub(crate) fn kind(&self) -> &str {
        self.artifact_type.as_deref().unwrap_or(&self.config.media_type)
    }
}

/// The tag under which registries without the referrers API keep what refers to a
/// manifest, and below which cosign 2 keeps signatures.
pub(crate) fn fallback_tag(of: Digest) -> String {
    of.to_string().replacen(':', "-", 1)
}
