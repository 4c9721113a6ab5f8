//! A directory in the [image layout], for machines without a network.
//!
//! `index.json` lists the artifact, by its tag, and what refers to it; the
//! simple-signing manifest is there under the tag that cosign gives it.
//!
//! [image layout]: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md

use crate::{
    bounds::{LAYOUT_MANIFESTS_MAX, MANIFEST_BYTES_MAX},
    error::Error,
    file::{SHARED, put, read},
    manifest::{Descriptor, Index, Manifest},
    which::Which,
};
use ipam_api::Digest;
use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

const MARK: &str = "oci-layout";
const MARK_TEXT: &str = "{\"imageLayoutVersion\":\"1.0.0\"}";
const INDEX_FILE: &str = "index.json";
/// The annotation that has a manifest's tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// A directory in the image layout.
#[derive(Debug)]
pub struct Layout {
    directory: PathBuf,
    index: Index,
}

impl Layout {
    /// Opens a directory that is there.
    ///
    /// # Errors
    /// When it is none, or not in that layout.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let of = |file: &str| directory.join(file);
        let read = |file: &str| {
            let path = of(file);
            read(&path, MANIFEST_BYTES_MAX).map_err(Error::io(path.display()))
        };
        read(MARK)?;
        let index = Index::parse(&of(INDEX_FILE).display().to_string(), &read(INDEX_FILE)?)?;
        Ok(Self { directory: directory.to_owned(), index })
    }

    /// Makes the layout in a directory, which may be there.
    ///
    /// # Errors
    /// When it has an index already.
    pub fn create(directory: &Path) -> Result<Self, Error> {
        let blobs = directory.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(Error::io(blobs.display()))?;
        if directory.join(INDEX_FILE).exists() {
            return Err(Error::layout("it has an index.json already; name another directory"));
        }
        let mark = directory.join(MARK);
        put(&mark, SHARED, MARK_TEXT.as_bytes()).map_err(Error::io(mark.display()))?;
        let index = Index { schema_version: 2, media_type: None, manifests: Vec::new() };
        Ok(Self { directory: directory.to_owned(), index })
    }

    /// The digest of the only driver in it.
    ///
    /// # Errors
    /// When there is none, or several: then one has to be named.
    pub fn only(&self) -> Result<Digest, Error> {
        let mut found = Vec::new();
        for (digest, _) in self.entries()? {
            let Some(bytes) = self.manifest(&Which::Digest(digest))? else { continue };
            let manifest = Manifest::parse("a manifest", &bytes);
            if manifest.is_ok_and(|manifest| manifest.component().is_ok()) {
                found.push(digest);
            }
        }
        match found[..] {
            [digest] => Ok(digest),
            [] => Err(Error::layout("it has no driver")),
            _ => Err(Error::Layout(format!(
                "it has {} drivers, and only one can be copied: give each a directory of its own",
                found.len()
            ))),
        }
    }

    /// What the index lists, each manifest once, whatever tags it has.
    fn entries(&self) -> Result<BTreeMap<Digest, Descriptor>, Error> {
        let of = |one: &Descriptor| Some((one.digest().ok()?, one.clone()));
        let entries: BTreeMap<_, _> = self.index.manifests.iter().filter_map(of).collect();
        if entries.len() > LAYOUT_MANIFESTS_MAX {
            let text = format!("it has more than {LAYOUT_MANIFESTS_MAX} manifests");
            return Err(Error::Layout(text));
        }
        Ok(entries)
    }

    fn path(&self, digest: Digest) -> PathBuf {
        let text = digest.to_string();
        self.directory.join("blobs").join(text.replacen(':', "/", 1))
    }

    pub(crate) fn manifest(&self, which: &Which<'_>) -> Result<Option<Vec<u8>>, Error> {
        let digest = match which {
            Which::Digest(digest) => *digest,
            Which::Tag(tag) => {
                let is_named = |one: &&Descriptor| {
                    one.annotations.get(REF_NAME).is_some_and(|name| name == tag)
                };
                match self.index.manifests.iter().find(is_named) {
                    Some(one) => one.digest()?,
                    None => return Ok(None),
                }
            }
        };
        let path = self.path(digest);
        match read(&path, MANIFEST_BYTES_MAX) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(path.display())(error)),
        }
    }

    pub(crate) fn blob(&self, what: &str, digest: Digest, most: usize) -> Result<Vec<u8>, Error> {
        read(&self.path(digest), most).map_err(Error::io(what))
    }

    /// All but the artifact itself: who asks looks into them.
    pub(crate) fn referrers(&self, of: Digest) -> Result<Vec<Descriptor>, Error> {
        let mut found = Vec::new();
        for (digest, one) in self.entries()? {
            let Some(bytes) = self.manifest(&Which::Digest(digest))? else { continue };
            let Ok(manifest) = Manifest::parse("a manifest", &bytes) else { continue };
            let subject = manifest.subject.and_then(|subject| subject.digest().ok());
            if subject == Some(of) {
                found.push(one);
            }
        }
        Ok(found)
    }

    pub(crate) fn put_blob(&self, digest: Digest, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path(digest);
        put(&path, SHARED, bytes).map_err(Error::io(path.display()))
    }

    pub(crate) fn put_manifest(
        &mut self,
        which: &Which<'_>,
        kind: &str,
        digest: Digest,
        bytes: &[u8],
    ) -> Result<(), Error> {
        self.put_blob(digest, bytes)?;
        let tag = match which {
            Which::Tag(tag) => Some((REF_NAME.to_owned(), (*tag).to_owned())),
            Which::Digest(_) => None,
        };
        let one = Descriptor {
            media_type: kind.to_owned(),
            digest: digest.to_string(),
            size: bytes.len() as u64,
            artifact_type: None,
            annotations: tag.into_iter().collect::<BTreeMap<_, _>>(),
        };
        if !self.index.manifests.contains(&one) {
            self.index.manifests.push(one);
        }
        let path = self.directory.join(INDEX_FILE);
        let text = serde_json::to_vec(&self.index).map_err(Error::layout)?;
        put(&path, SHARED, &text).map_err(Error::io(path.display()))
    }
}
