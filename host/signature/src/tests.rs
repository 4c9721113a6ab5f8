//! What cosign signed is taken, and what only looks like it is not.

mod forged;
mod policy;

use crate::{AnyOf, EVIDENCE_BYTES_MAX, Evidence, Policy, PublicKey, Signer, Subject, sha256};
use serde_json::{Value, json};

const P256: &str = include_str!("../fixtures/p256.pub");
const ED25519: &str = include_str!("../fixtures/ed25519.pub");
const OTHER: &str = include_str!("../fixtures/other.pub");
const IMAGE: &[u8] = include_bytes!("../fixtures/image.sigstore.json");
const IMAGE_ED25519: &[u8] = include_bytes!("../fixtures/image-ed25519.sigstore.json");
const ATTESTATION: &[u8] = include_bytes!("../fixtures/attestation.sigstore.json");
const PAYLOAD: &[u8] = include_bytes!("../fixtures/image.simple-signing.json");
const SIMPLE: &str = include_str!("../fixtures/image.simple-signing.sig");
const SIMPLE_ED25519: &str = include_str!("../fixtures/image-ed25519.simple-signing.sig");
const BLOB: &[u8] = include_bytes!("../fixtures/blob.sigstore.json");
const BLOB_ED25519: &[u8] = include_bytes!("../fixtures/blob-ed25519.sigstore.json");
const DRIVER: &[u8] = include_bytes!("../fixtures/driver.wasm");
const MANIFEST: &[u8] = include_bytes!("../fixtures/manifest.json");

fn artifact() -> Subject<'static> {
    Subject::Manifest(sha256(MANIFEST))
}

fn signer(pem: &str) -> Signer {
    Signer { key: pem.parse().unwrap(), owner: None }
}

fn all_of(keys: &[&str]) -> Policy {
    Policy::new(keys.iter().map(|pem| signer(pem)).collect(), None).unwrap()
}

fn any_of(at_least: usize, keys: &[&str]) -> Policy {
    let signers = keys.iter().map(|pem| signer(pem)).collect();
    Policy::new(Vec::new(), Some(AnyOf { at_least, signers })).unwrap()
}

fn bundle(bytes: &[u8]) -> Evidence {
    Evidence::Bundle(bytes.to_vec())
}

fn simple(payload: &[u8], signature: &str) -> Evidence {
    Evidence::SimpleSigning { payload: payload.to_vec(), signature: signature.to_owned() }
}

/// Everything that cosign wrote about the artifact of the fixtures.
fn all() -> [Evidence; 5] {
    [
        bundle(IMAGE),
        bundle(IMAGE_ED25519),
        bundle(ATTESTATION),
        simple(PAYLOAD, SIMPLE),
        simple(PAYLOAD, SIMPLE_ED25519),
    ]
}

/// That it is refused, and the words that say why.
#[track_caller]
fn refused(policy: &Policy, subject: Subject<'_>, evidence: &[Evidence], words: &[&str]) {
    let refusal = policy.check(subject, evidence).unwrap_err().to_string();
    for part in words {
        assert!(refusal.contains(part), "{part:?} is not in: {refusal}");
    }
}

fn with(value: &Value, pointer: &str, to: Value) -> Value {
    let mut value = value.clone();
    *value.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = to;
    value
}

fn json_bundle(value: &Value) -> Evidence {
    bundle(value.to_string().as_bytes())
}

#[test]
fn each_form_of_cosign_is_taken() {
    for (key, evidence) in [
        (P256, bundle(IMAGE)),
        (P256, simple(PAYLOAD, SIMPLE)),
        (ED25519, simple(PAYLOAD, SIMPLE_ED25519)),
    ] {
        let verified = all_of(&[key]).check(artifact(), std::slice::from_ref(&evidence)).unwrap();
        assert_eq!(verified.by, [signer(key)]);
        refused(&all_of(&[OTHER]), artifact(), &[evidence], &["a signature by another key"]);
    }
    for (key, evidence) in [(P256, BLOB), (ED25519, BLOB_ED25519)] {
        all_of(&[key]).check(Subject::File(DRIVER), &[bundle(evidence)]).unwrap();
        for subject in [Subject::File(b"another"), artifact()] {
            assert!(all_of(&[key]).check(subject, &[bundle(evidence)]).is_err());
        }
    }
}

/// Cosign 3 signs artifacts with Ed25519ph when the key is an Ed25519 one, which
/// ring does not check. Who is refused learns what to do.
#[test]
fn a_prehashed_signature_is_named() {
    refused(&all_of(&[ED25519]), artifact(), &[bundle(IMAGE_ED25519)], &["sign with a P-256 key"]);
}

#[test]
fn what_is_cut_off_or_too_large_is_refused() {
    for length in (0..IMAGE.len()).step_by(7) {
        refused(&all_of(&[P256]), artifact(), &[bundle(&IMAGE[..length])], &["no bundle"]);
    }
    let mut large = IMAGE.to_vec();
    large.resize(EVIDENCE_BYTES_MAX + 1, b' ');
    refused(&all_of(&[P256]), artifact(), &[bundle(&large)], &["more than 4194304 bytes"]);
    refused(&all_of(&[P256]), artifact(), &[simple(&large, SIMPLE)], &["more than 4194304 bytes"]);
    let deep = "[".repeat(100_000);
    refused(&all_of(&[P256]), artifact(), &[bundle(deep.as_bytes())], &["no bundle"]);
}

#[test]
fn a_signature_of_a_file_is_none_of_an_artifact_and_the_reverse() {
    refused(&all_of(&[P256]), artifact(), &[bundle(BLOB)], &["none of an artifact"]);
    let file = Subject::File(MANIFEST);
    refused(&all_of(&[P256]), file, &[bundle(IMAGE)], &["no signature of a file"]);
    refused(&all_of(&[P256]), file, &[simple(PAYLOAD, SIMPLE)], &["none of a file"]);
}

/// Whatever bit is turned, what is believed is what was signed.
#[test]
fn no_changed_byte_passes_for_a_signature() {
    let policy = all_of(&[P256]);
    let matters = |bytes: &[u8]| {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        Some((
            value["dsseEnvelope"]["payload"].clone(),
            value["dsseEnvelope"]["signatures"].clone(),
        ))
    };
    let sound = matters(IMAGE);
    for at in 0..IMAGE.len() {
        for bit in 0..8 {
            let mut changed = IMAGE.to_vec();
            changed[at] ^= 1 << bit;
            if policy.check(artifact(), &[bundle(&changed)]).is_ok() {
                assert_eq!(matters(&changed), sound, "byte {at}, bit {bit}");
            }
        }
    }
    for at in 0..PAYLOAD.len() {
        let mut changed = PAYLOAD.to_vec();
        changed[at] ^= 1;
        assert!(policy.check(artifact(), &[simple(&changed, SIMPLE)]).is_err(), "byte {at}");
    }
}
