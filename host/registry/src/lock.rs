//! `wipam.lock`: what each tag meant when it was looked up last.
//!
//! A restart loads what is locked. The operator may commit the file, and may
//! remove it to have all tags looked up again.

use crate::{
    bounds::LOCK_BYTES_MAX,
    file::{SHARED, put, read},
    reference::Reference,
};
use ipam_api::Digest;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

const HEAD: &str = "\
# Written by Wipam: the digest that each tag had when it was looked up last.
# SIGHUP and `wipam driver upgrade` look it up again; a restart does not.
";

/// A lock file, which is read again before each change.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    digests: BTreeMap<String, Digest>,
    /// What the disk did not take yet.
    unwritten: BTreeMap<String, Digest>,
}

/// Why a lock file is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// It cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// The system's words.
        #[source]
        error: io::Error,
    },
    /// It is damaged.
    #[error("{path}: {why}; correct it, or remove it to have all tags looked up again")]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    artifact: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    reference: String,
    digest: String,
}

/// Of the file's format.
const VERSION: u32 = 1;

impl Lock {
    /// Reads a lock file. One that is not there locks nothing.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn open(path: &Path) -> Result<Self, LockError> {
        let digests = read_digests(path)?;
        Ok(Self { path: path.to_owned(), digests, unwritten: BTreeMap::new() })
    }

    /// What a reference with a tag was locked to.
    #[must_use]
    pub fn get(&self, reference: &Reference) -> Option<Digest> {
        self.digests.get(&reference.to_string()).copied()
    }

    /// Locks a reference, and writes that down. All else in the file stays as it is
    /// there: the operator may have changed it.
    ///
    /// # Errors
    /// When it cannot be written. It is locked all the same, until this process
    /// ends, and written with the next one that can be.
    pub fn set(&mut self, reference: &Reference, digest: Digest) -> Result<(), LockError> {
        self.digests.insert(reference.to_string(), digest);
        self.unwritten.insert(reference.to_string(), digest);
        let there = read_digests(&self.path)?;
        let mut digests = there.clone();
        digests.extend(self.unwritten.clone());
        if digests != there {
            self.write(&digests)?;
        }
        self.digests = digests;
        self.unwritten.clear();
        Ok(())
    }

    fn write(&self, digests: &BTreeMap<String, Digest>) -> Result<(), LockError> {
        let artifact = digests.iter().map(|(reference, digest)| Entry {
            reference: reference.clone(),
            digest: digest.to_string(),
        });
        let file = File { version: VERSION, artifact: artifact.collect() };
        let path = self.path.display().to_string();
        let text = toml::to_string(&file)
            .map_err(|error| LockError::Invalid { path: path.clone(), why: error.to_string() })?;
        put(&self.path, SHARED, format!("{HEAD}{text}").as_bytes())
            .map_err(|error| LockError::Io { path, error })
    }
}

/// What a lock file says. One that is not there says nothing.
fn read_digests(path: &Path) -> Result<BTreeMap<String, Digest>, LockError> {
    let name = path.display().to_string();
    let bytes = match read(path, LOCK_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(LockError::Io { path: name, error }),
    };
    let digests = if bytes.is_empty() { Ok(BTreeMap::new()) } else { parse(&bytes) };
    digests.map_err(|why| LockError::Invalid { path: name, why })
}

fn parse(bytes: &[u8]) -> Result<BTreeMap<String, Digest>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let file: File = toml::from_str(text).map_err(|error| error.message().replace('\n', ", "))?;
    if file.version != VERSION {
        return Err(format!("it has version {}, and this program reads {VERSION}", file.version));
    }
    let mut digests = BTreeMap::new();
    for Entry { reference, digest } in file.artifact {
        let reference: Reference = reference.parse().map_err(|error| format!("{error}"))?;
        let digest = digest.parse().map_err(|error| format!("{reference}: {error}"))?;
        if digests.insert(reference.to_string(), digest).is_some() {
            return Err(format!("{reference} is there twice"));
        }
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::{LOCK_BYTES_MAX, Lock};
    use ipam_api::Digest;
    use std::fs;

    #[test]
    fn what_is_locked_is_there_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wipam.lock");
        let lab = "oci://ghcr.io/acme/lab:1.0".parse().unwrap();
        let other = "oci://ghcr.io/acme/lab:1.1".parse().unwrap();
        let mut lock = Lock::open(&path).unwrap();
        assert_eq!(lock.get(&lab), None);
        lock.set(&lab, Digest([1; 32])).unwrap();
        lock.set(&other, Digest([2; 32])).unwrap();
        lock.set(&lab, Digest([3; 32])).unwrap();
        let lock = Lock::open(&path).unwrap();
        assert_eq!(lock.get(&lab), Some(Digest([3; 32])));
        assert_eq!(lock.get(&other), Some(Digest([2; 32])));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# Written by Wipam"), "{text}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_the_operator_removes_stays_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wipam.lock");
        let lab = "oci://ghcr.io/acme/lab:1.0".parse().unwrap();
        let other = "oci://ghcr.io/acme/other:1.0".parse().unwrap();
        let mut lock = Lock::open(&path).unwrap();
        lock.set(&lab, Digest([1; 32])).unwrap();
        fs::remove_file(&path).unwrap();
        lock.set(&other, Digest([2; 32])).unwrap();
        let now = Lock::open(&path).unwrap();
        assert_eq!((now.get(&lab), now.get(&other)), (None, Some(Digest([2; 32]))));
        // What serves is locked again, though it did not change.
        lock.set(&lab, Digest([1; 32])).unwrap();
        assert_eq!(Lock::open(&path).unwrap().get(&lab), Some(Digest([1; 32])));
    }

    #[test]
    fn what_the_disk_did_not_take_is_written_later() {
        let directory = tempfile::tempdir().unwrap();
        let (gone, path) = (directory.path().join("a"), directory.path().join("a/wipam.lock"));
        let lab = "oci://ghcr.io/acme/lab:1.0".parse().unwrap();
        let other = "oci://ghcr.io/acme/other:1.0".parse().unwrap();
        let mut lock = Lock::open(&path).unwrap();
        assert!(lock.set(&lab, Digest([1; 32])).is_err());
        assert_eq!(lock.get(&lab), Some(Digest([1; 32])));
        fs::create_dir(&gone).unwrap();
        lock.set(&other, Digest([2; 32])).unwrap();
        assert_eq!(Lock::open(&path).unwrap().get(&lab), Some(Digest([1; 32])));
    }

    #[test]
    fn a_wrong_file_is_refused_with_the_way_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wipam.lock");
        let entry = "[[artifact]]\nreference = 'oci://a/b:1'\ndigest = 'sha256:ab'\n";
        let whole = entry.replace("'sha256:ab'", &format!("'{}'", Digest([1; 32])));
        for (text, words) in [
            ("version = 2", "version 2"),
            ("versoin = 1", "versoin"),
            (&format!("version = 1\n{entry}"), "a digest is"),
            (&format!("version = 1\n{whole}{whole}"), "twice"),
            (&format!("version = 1\n{}", whole.replace("oci", "http")), "begins with oci://"),
        ] {
            fs::write(&path, text).unwrap();
            let refused = Lock::open(&path).unwrap_err().to_string();
            assert!(refused.contains(words), "{text}: {refused}");
            assert!(refused.contains("wipam.lock") && refused.contains("remove it"), "{refused}");
        }
        fs::write(&path, "#".repeat(LOCK_BYTES_MAX + 1)).unwrap();
        let refused = Lock::open(&path).unwrap_err().to_string();
        assert!(refused.contains("more than 1048576 bytes"), "{refused}");
    }
}
