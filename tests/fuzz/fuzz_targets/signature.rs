//! Whatever lies beside an artifact: a signature that cosign made, or none, and
//! never a panic. A reference that is read is written as it was.
//!
//! The first byte says what the others are.

#![no_main]

use ipam_registry::Reference;
use ipam_signature::{Evidence, Policy, PublicKey, Signer, Subject, sha256};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::sync::LazyLock;

const MANIFEST: &[u8] = include_bytes!("../../../host/signature/fixtures/manifest.json");
const BUNDLE: &[u8] = include_bytes!("../../../host/signature/fixtures/image.sigstore.json");
const PAYLOAD: &[u8] = include_bytes!("../../../host/signature/fixtures/image.simple-signing.json");
const SIGNATURE: &str = include_str!("../../../host/signature/fixtures/image.simple-signing.sig");
const DRIVER: &[u8] = include_bytes!("../../../host/signature/fixtures/driver.wasm");

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let key = include_str!("../../../host/signature/fixtures/p256.pub");
    let signer = Signer { key: key.parse().expect("a key"), owner: None };
    Policy::new(vec![signer], None).expect("one key is a policy")
});

/// What was signed; nothing if a field that nobody looks at has an escape that is no
/// character: all of it is read here.
fn signed(bundle: &[u8]) -> Option<Value> {
    let value: Value = serde_json::from_slice(bundle).ok()?;
    Some(value["dsseEnvelope"]["payload"].clone())
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let manifest = Subject::Manifest(sha256(MANIFEST));
    match kind % 5 {
        0 => {
            let evidence = [Evidence::Bundle(bytes.to_vec())];
            if POLICY.check(manifest, &evidence).is_ok() {
                let is_sound = |payload| Some(payload) == signed(BUNDLE);
                assert!(signed(bytes).is_none_or(is_sound), "a forgery");
            }
        }
        1 => {
            let signature = SIGNATURE.to_owned();
            let evidence = [Evidence::SimpleSigning { payload: bytes.to_vec(), signature }];
            let is_signed = POLICY.check(manifest, &evidence).is_ok();
            assert_eq!(is_signed, bytes == PAYLOAD, "a forgery");
        }
        2 => {
            let evidence = [Evidence::Bundle(bytes.to_vec())];
            if POLICY.check(Subject::File(DRIVER), &evidence).is_ok()
                && let Ok(value) = serde_json::from_slice::<Value>(bytes)
            {
                assert!(value["messageSignature"]["signature"].is_string());
            }
        }
        3 => drop(std::str::from_utf8(bytes).map(str::parse::<PublicKey>)),
        _ => {
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            if let Ok(reference) = text.parse::<Reference>() {
                assert_eq!(reference.to_string(), text);
            }
        }
    }
});
