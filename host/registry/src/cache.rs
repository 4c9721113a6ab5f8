//! What was fetched, kept by its digest, so that a restart needs no registry.
//!
//! What is read is compared with its digest each time: the cache is no authority.
//! Signatures are kept under the digest that they are said to sign, and are
//! checked whenever they are used.

use crate::{
    artifact::Artifact,
    bounds::{CACHE_BYTES_MAX, LOOKED_AT_MAX, MANIFEST_BYTES_MAX, SIGNATURES_BYTES_MAX},
    error::Error,
    file::{PRIVATE, put, read},
    which::Which,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ipam_api::Digest;
use ipam_signature::{Evidence, sha256};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// A directory that its owner alone may write to, of which the caller sees to it.
#[derive(Debug, Clone)]
pub struct Cache {
    directory: PathBuf,
    bytes_max: u64,
}

/// Evidence, as it is kept.
#[derive(Serialize, Deserialize)]
enum CachedEvidence {
    Bundle(String),
    SimpleSigning(String, String),
}

/// What the name of a file of signatures ends with, behind that of their artifact's.
const SIGNATURES: &str = ".signatures";
/// Base64 takes a third more than what it stands for, and JSON a little.
const EVIDENCE_FILE_BYTES_MAX: usize = 2 * SIGNATURES_BYTES_MAX;

impl Cache {
    /// A cache in a directory that is there.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), bytes_max: CACHE_BYTES_MAX }
    }

    /// The artifact with this digest, if it is kept and whole.
    #[must_use]
    pub fn artifact(&self, digest: Digest) -> Option<Artifact> {
        let bytes = self.get(digest, MANIFEST_BYTES_MAX)?;
        Artifact::of_manifest("the manifest", Which::Digest(digest), bytes).ok()
    }

    /// Which artifacts have this component, of those that are kept.
    #[must_use]
    pub fn with_component(&self, component: Digest) -> Vec<Digest> {
        let Ok(files) = fs::read_dir(&self.directory) else { return Vec::new() };
        let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
        let manifests = names.filter_map(|name| {
            let digest = name.strip_suffix(SIGNATURES)?.replacen('-', ":", 1);
            digest.parse().ok()
        });
        let is_it = |digest: &Digest| {
            // Who looks does not use it: it stays no longer.
            let bytes = read(&self.path(*digest, ""), MANIFEST_BYTES_MAX).ok();
            let artifact = bytes.and_then(|bytes| {
                Artifact::of_manifest("the manifest", Which::Digest(*digest), bytes).ok()
            });
            artifact.is_some_and(|artifact| artifact.component_digest() == component)
        };
        let mut found: Vec<_> = manifests.take(LOOKED_AT_MAX).filter(is_it).collect();
        found.sort_by_key(|digest| digest.0);
        found
    }

    /// What is kept under this digest, if it has at most so many bytes and is
    /// whole.
    #[must_use]
    pub fn get(&self, digest: Digest, most: usize) -> Option<Vec<u8>> {
        let path = self.path(digest, "");
        let bytes = self.read(&path, most)?;
        if sha256(&bytes) == digest {
            return Some(bytes);
        }
        // The disk lies: it is fetched again.
        let _ = fs::remove_file(path);
        None
    }

    /// What was found that may be a signature of this artifact.
    #[must_use]
    pub fn evidence(&self, artifact: &Artifact) -> Option<Vec<Evidence>> {
        let path = self.path(artifact.digest(), SIGNATURES);
        let kept: Vec<CachedEvidence> =
            serde_json::from_slice(&self.read(&path, EVIDENCE_FILE_BYTES_MAX)?).ok()?;
        let one = |kept| {
            Some(match kept {
                CachedEvidence::Bundle(bytes) => Evidence::Bundle(STANDARD.decode(bytes).ok()?),
                CachedEvidence::SimpleSigning(payload, signature) => {
                    Evidence::SimpleSigning { payload: STANDARD.decode(payload).ok()?, signature }
                }
            })
        };
        kept.into_iter().map(one).collect()
    }

    /// Keeps an artifact with its component and its signatures. Those that were
    /// kept stay: a registry can withhold them, and another driver may need them.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn put(
        &self,
        artifact: &Artifact,
        component: &[u8],
        evidence: &[Evidence],
    ) -> Result<(), Error> {
        let one = |evidence: &Evidence| match evidence {
            Evidence::Bundle(bytes) => CachedEvidence::Bundle(STANDARD.encode(bytes)),
            Evidence::SimpleSigning { payload, signature } => {
                CachedEvidence::SimpleSigning(STANDARD.encode(payload), signature.clone())
            }
        };
        let mut all = evidence.to_vec();
        let mut left = SIGNATURES_BYTES_MAX.saturating_sub(all.iter().map(bytes_of).sum());
        for older in self.evidence(artifact).unwrap_or_default() {
            if !all.contains(&older) && bytes_of(&older) <= left {
                left -= bytes_of(&older);
                all.push(older);
            }
        }
        let kept: Vec<CachedEvidence> = all.iter().map(one).collect();
        let kept = serde_json::to_vec(&kept).map_err(Error::layout)?;
        let digest = artifact.digest();
        let component_digest = artifact.component_digest();
        let component_put = match self.get(component_digest, component.len()) {
            Some(_) => Ok(()),
            None => put(&self.path(component_digest, ""), PRIVATE, component),
        };
        component_put
            .and_then(|()| put(&self.path(digest, SIGNATURES), PRIVATE, &kept))
            .and_then(|()| put(&self.path(digest, ""), PRIVATE, artifact.manifest()))
            .and_then(|()| self.trim())
            .map_err(Error::io(self.directory.display()))
    }

    fn path(&self, digest: Digest, ending: &str) -> PathBuf {
        self.directory.join(format!("{}{ending}", digest.to_string().replacen(':', "-", 1)))
    }

    /// What is read is used: it stays longer.
    fn read(&self, path: &Path, most: usize) -> Option<Vec<u8>> {
        let bytes = read(path, most).ok()?;
        // A disk that cannot be written has other trouble.
        let _ = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(bytes)
    }

    /// Removes what was not used for the longest time, until there is room.
    fn trim(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let Ok(found) = entry.metadata() else { continue };
            files.push((found.modified()?, found.len(), entry.path()));
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, size, path) in files {
            if bytes <= self.bytes_max {
                break;
            }
            // Somebody else may have removed it.
            let _ = fs::remove_file(path);
            bytes -= size;
        }
        Ok(())
    }
}

fn bytes_of(evidence: &Evidence) -> usize {
    match evidence {
        Evidence::Bundle(bytes) => bytes.len(),
        Evidence::SimpleSigning { payload, signature } => payload.len() + signature.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Cache, SIGNATURES};
    use crate::{
        artifact::Artifact,
        bounds::SIGNATURES_BYTES_MAX,
        copy::{Interfaces, push},
        layout::Layout,
        target::Target,
    };
    use ipam_signature::Evidence;
    use std::{fs, os::unix::fs::MetadataExt as _};

    fn artifact(component: &[u8]) -> Artifact {
        let directory = tempfile::tempdir().unwrap();
        let mut place = Target::Layout(Layout::create(directory.path()).unwrap());
        push(&mut place, "1", component, &Interfaces::default()).unwrap()
    }

    #[test]
    fn what_is_kept_is_given_back_and_its_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        let artifact = artifact(b"component");
        let evidence = [
            Evidence::Bundle(b"{}".to_vec()),
            Evidence::SimpleSigning { payload: vec![0, 1], signature: "x".to_owned() },
        ];
        assert!(cache.artifact(artifact.digest()).is_none());
        cache.put(&artifact, b"component", &evidence).unwrap();
        let found = cache.artifact(artifact.digest()).unwrap();
        assert_eq!(found, artifact);
        assert_eq!(cache.with_component(found.component_digest()), [found.digest()]);
        assert!(cache.with_component(found.digest()).is_empty());
        assert_eq!(cache.get(found.component_digest(), 9).as_deref(), Some(&b"component"[..]));
        assert_eq!(cache.get(found.component_digest(), 8), None);
        assert_eq!(cache.evidence(&found).unwrap(), evidence);
        for entry in fs::read_dir(directory.path()).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().mode() & 0o777, 0o600);
        }
    }

    /// A driver without a policy may be told of none, and another one needs them.
    #[test]
    fn signatures_that_are_kept_do_not_become_fewer() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        let artifact = artifact(b"component");
        let [one, two] = [1, 2].map(|at| Evidence::Bundle(vec![at]));
        let put = |evidence: &[Evidence]| cache.put(&artifact, b"component", evidence).unwrap();
        put(std::slice::from_ref(&one));
        put(&[]);
        assert_eq!(cache.evidence(&artifact), Some(vec![one.clone()]));
        put(&[two.clone(), one.clone()]);
        assert_eq!(cache.evidence(&artifact), Some(vec![two, one.clone()]));
        // Up to what all of them may have together.
        let large = Evidence::Bundle(vec![3; SIGNATURES_BYTES_MAX - 1]);
        put(std::slice::from_ref(&large));
        let kept = cache.evidence(&artifact).unwrap();
        assert_eq!(kept.len(), 2);
        assert!(kept[0] == large);
    }

    #[test]
    fn what_was_changed_on_the_disk_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        let artifact = artifact(b"component");
        cache.put(&artifact, b"component", &[]).unwrap();
        for digest in [artifact.digest(), artifact.component_digest()] {
            let path = cache.path(digest, "");
            let mut bytes = fs::read(&path).unwrap();
            bytes[3] ^= 1;
            fs::write(&path, bytes).unwrap();
            assert_eq!(cache.get(digest, 1 << 20), None);
            assert!(!path.exists());
        }
        // It is written again, and what is whole is not.
        let path = cache.path(artifact.component_digest(), "");
        let written = || {
            cache.put(&artifact, b"component", &[]).unwrap();
            fs::metadata(&path).unwrap().ino()
        };
        assert_eq!(written(), written());
        fs::write(cache.path(artifact.digest(), SIGNATURES), "x").unwrap();
        assert_eq!(cache.evidence(&artifact), None);
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache { bytes_max: 4000, ..Cache::new(directory.path()) };
        let all: Vec<_> = (0..3).map(|at| artifact(&[at; 1000])).collect();
        for (at, artifact) in (0..).zip(&all) {
            cache.put(artifact, &[at; 1000], &[]).unwrap();
            // The first is used again and again.
            assert!(cache.get(all[0].component_digest(), 1000).is_some());
        }
        let huge = artifact(&[9; 2500]);
        cache.put(&huge, &[9; 2500], &[]).unwrap();
        assert!(cache.get(huge.component_digest(), 2500).is_some());
        assert!(cache.get(all[0].component_digest(), 1000).is_some());
        assert!(cache.get(all[1].component_digest(), 1000).is_none());
    }
}
