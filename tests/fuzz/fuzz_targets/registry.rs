//! Whatever lies in a directory in the image layout, and in `wipam.lock`: an artifact
//! whose component has the digest that its manifest names, or words, and never a
//! panic. What a registry sends is read by the same code.
//!
//! The first byte says what the others are.

#![no_main]

use ipam_registry::{Artifact, Layout, Lock, Reference, Target, Which};
use ipam_signature::sha256;
use libfuzzer_sys::fuzz_target;
use serde_json::json;
use std::{fs, path::Path, sync::LazyLock};

/// Used again and again.
static DIRECTORY: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    fs::create_dir_all(directory.path().join("blobs/sha256")).expect("a directory");
    fs::write(directory.path().join("oci-layout"), "{}").expect("a file");
    directory
});

const COMPONENT_BYTES: usize = 1 << 20;

fn put(directory: &Path, bytes: &[u8]) -> String {
    let digest = sha256(bytes).to_string();
    fs::write(directory.join("blobs").join(digest.replace(':', "/")), bytes).expect("a file");
    digest
}

/// Reads what is there as `wipam driver copy` does.
fn read(directory: &Path) {
    let Ok(layout) = Layout::open(directory) else { return };
    let Ok(digest) = layout.only() else { return };
    let mut target = Target::Layout(layout);
    // The digest of its layer may be none.
    let Ok(artifact) = Artifact::resolve(&mut target, Which::Digest(digest)) else { return };
    assert_eq!(artifact.digest(), sha256(artifact.manifest()));
    if let Ok(bytes) = artifact.component(&mut target, COMPONENT_BYTES, &mut |_| ()) {
        assert_eq!(artifact.component_digest(), sha256(&bytes));
    }
    let _ = artifact.signatures(&mut target);
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let directory = DIRECTORY.path();
    let index = directory.join("index.json");
    match kind % 4 {
        0 => {
            fs::write(index, bytes).expect("a file");
            read(directory);
        }
        // An artifact, alone.
        1 => {
            let digest = put(directory, bytes);
            let listed = json!({"schemaVersion": 2, "manifests": [
                {"mediaType": "", "digest": digest, "size": bytes.len()},
            ]});
            fs::write(index, listed.to_string()).expect("a file");
            read(directory);
            let blob = directory.join("blobs").join(digest.replace(':', "/"));
            fs::remove_file(blob).expect("it was written");
        }
        // What refers to an artifact.
        2 => {
            let artifact = include_bytes!("../../registry/one.json");
            let entry =
                |bytes| json!({"mediaType": "", "digest": put(directory, bytes), "size": 1});
            let listed = json!({"schemaVersion": 2, "manifests": [entry(artifact), entry(bytes)]});
            fs::write(index, listed.to_string()).expect("a file");
            read(directory);
            let digest = sha256(bytes).to_string();
            let _ = fs::remove_file(directory.join("blobs").join(digest.replace(':', "/")));
        }
        _ => {
            let path = directory.join("wipam.lock");
            fs::write(&path, bytes).expect("a file");
            let Ok(mut lock) = Lock::open(&path) else { return };
            let one: Reference = "oci://a.example/b:1".parse().expect("a reference");
            lock.set(&one, sha256(b"")).expect("it can be written");
            let written = Lock::open(&path).expect("what was written is read");
            assert_eq!(written.get(&one), Some(sha256(b"")));
        }
    }
});
