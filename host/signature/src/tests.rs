//! What cosign signed is taken, and what only looks like it is not.

use crate::{AnyOf, EVIDENCE_BYTES_MAX, Evidence, Policy, PublicKey, Signer, Subject, sha256};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ipam_api::Digest;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
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
fn all_of_some_and_enough_of_others_must_have_signed() {
    all_of(&[P256, ED25519]).check(artifact(), &all()).unwrap();
    any_of(1, &[OTHER, P256]).check(artifact(), &all()).unwrap();
    any_of(2, &[OTHER, P256, ED25519]).check(artifact(), &all()).unwrap();
    refused(&all_of(&[P256, OTHER]), artifact(), &all(), &["a signature by key"]);
    // Two signatures by one key are one.
    let twice = [bundle(IMAGE), simple(PAYLOAD, SIMPLE)];
    refused(&any_of(2, &[P256, ED25519]), artifact(), &twice, &["2 of the signatures by"]);
    refused(&all_of(&[P256]), artifact(), &[], &["found no signature"]);
}

#[test]
fn a_refusal_says_which_key_was_expected_and_what_was_found() {
    let acme = Signer { key: OTHER.parse().unwrap(), owner: Some("acme\u{1b}[2J".to_owned()) };
    let policy = Policy::new(vec![acme], None).unwrap();
    let expected: PublicKey = OTHER.parse().unwrap();
    let found: PublicKey = P256.parse().unwrap();
    let words = [&*format!("({expected})"), &*format!("another key ({found})"), "acme\\u{1b}[2J"];
    refused(&policy, artifact(), &all(), &words);
}

#[test]
fn a_policy_that_cannot_be_meant_is_refused() {
    let any = |at_least, keys: &[&str]| {
        let signers = keys.iter().map(|pem| signer(pem)).collect();
        Policy::new(Vec::new(), Some(AnyOf { at_least, signers })).unwrap_err().to_string()
    };
    assert!(Policy::new(Vec::new(), None).unwrap_err().to_string().contains("names no key"));
    assert!(any(0, &[P256]).contains("from 1 to 1"));
    assert!(any(3, &[P256, OTHER]).contains("at least 3 of 2"));
    assert!(any(2, &[P256, P256]).contains("named twice"));
    let many = vec![signer(P256); crate::KEYS_MAX + 1];
    assert!(Policy::new(many, None).unwrap_err().to_string().contains("more than 16 keys"));
}

#[test]
fn a_key_is_one_public_key() {
    for (pem, words) in [
        (&*format!("{P256}{OTHER}"), "several keys"),
        ("", "there is no key"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "there is no key"),
        ("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n", "it is a private key"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "neither an ECDSA key"),
        (&P256.replace("35A==", "35A=A"), "it is damaged"),
        (&P256[..100], "it is damaged"),
    ] {
        let refused = pem.parse::<PublicKey>().unwrap_err().to_string();
        assert!(refused.contains(words), "{pem:?}: {refused}");
    }
    // The digest that cosign writes as the hint.
    assert_eq!(P256.parse::<PublicKey>().unwrap().to_string(), "bdc53ccc9ccf");
}

/// A key of the tests' own, to sign what cosign would not.
struct Forger {
    pair: EcdsaKeyPair,
    pem: String,
}

impl Forger {
    fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        let head = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
        let head = (0..head.len()).step_by(2).map(|at| u8::from_str_radix(&head[at..at + 2], 16));
        let mut der: Vec<u8> = head.map(Result::unwrap).collect();
        der.extend_from_slice(pair.public_key().as_ref());
        let der = STANDARD.encode(der);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n");
        Self { pair, pem }
    }

    fn sign(&self, message: &[u8]) -> String {
        STANDARD.encode(self.pair.sign(&SystemRandom::new(), message).unwrap())
    }

    /// A bundle around a statement, rightly signed.
    fn envelope(&self, statement: &Value) -> Value {
        let payload = statement.to_string();
        let signed = format!("DSSEv1 28 application/vnd.in-toto+json {} {payload}", payload.len());
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"hint": "AAAA"}, "tlogEntries": [{"x": 1}]},
            "dsseEnvelope": {
                "payload": STANDARD.encode(&payload),
                "payloadType": "application/vnd.in-toto+json",
                "signatures": [{"sig": self.sign(signed.as_bytes()), "keyid": ""}],
            },
        })
    }

    /// Refused with these words by a policy that trusts this key.
    #[track_caller]
    fn refused(&self, evidence: Evidence, words: &str) {
        refused(&all_of(&[&self.pem]), artifact(), &[evidence], &[words]);
    }
}

fn statement() -> Value {
    let hex = sha256(MANIFEST).to_string().replace("sha256:", "");
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": hex}, "annotations": {}}],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    })
}

fn with(value: &Value, pointer: &str, to: Value) -> Value {
    let mut value = value.clone();
    *value.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = to;
    value
}

fn json_bundle(value: &Value) -> Evidence {
    bundle(value.to_string().as_bytes())
}

/// Cosign 3.1.1 itself takes it for a signature.
#[test]
fn an_attestation_by_a_trusted_key_is_no_signature() {
    let words =
        ["an attestation (https://cosign.sigstore.dev/attestation/v1), which is no signature"];
    refused(&all_of(&[P256]), artifact(), &[bundle(ATTESTATION)], &words);
    let forger = Forger::new();
    let attestation = with(&statement(), "/predicateType", "https://slsa.dev/provenance/v1".into());
    forger.refused(json_bundle(&forger.envelope(&attestation)), "which is no signature");
}

#[test]
fn a_statement_is_about_this_manifest_alone() {
    let forger = Forger::new();
    let sound = statement();
    all_of(&[&forger.pem]).check(artifact(), &[json_bundle(&forger.envelope(&sound))]).unwrap();
    let one = sound["subject"][0].clone();
    for (pointer, to, words) in [
        ("/subject/0/digest/sha256", json!("ab".repeat(32)), "another artifact, sha256:abab"),
        ("/subject/0/digest/sha256", json!("\u{1b}"), "another artifact, sha256:\\u{1b}"),
        ("/subject/0/digest", json!({"sha512": "ab"}), "without a SHA-256"),
        ("/subject", json!([one, one]), "2 artifacts at once"),
        ("/subject", json!([]), "0 artifacts at once"),
        ("/_type", json!("https://in-toto.io/Statement/v2"), "unknown type"),
        ("/predicateType", json!(7), "no statement"),
    ] {
        let evidence = json_bundle(&forger.envelope(&with(&sound, pointer, to)));
        forger.refused(evidence, words);
    }
}

#[test]
fn a_bundle_has_one_payload_and_one_signature() {
    let forger = Forger::new();
    let sound = forger.envelope(&statement());
    let signature = sound["dsseEnvelope"]["signatures"][0].clone();
    for (pointer, to, words) in [
        ("/mediaType", json!("application/vnd.dev.sigstore.bundle.v0.4+json"), "unknown version"),
        ("/dsseEnvelope/payloadType", json!("text/plain"), "of an unknown type"),
        ("/dsseEnvelope/signatures", json!([signature, signature]), "2 signatures"),
        ("/dsseEnvelope/signatures", json!([]), "0 signatures"),
        ("/dsseEnvelope/payload", json!("????"), "the payload is no base64"),
        ("/dsseEnvelope/payload", json!("e30="), "a signature by another key"),
        ("/dsseEnvelope/signatures/0/sig", json!("e30="), "a signature by another key"),
        ("/dsseEnvelope", Value::Null, "without a signature"),
        ("/verificationMaterial", json!({"certificate": {}}), "with a certificate"),
    ] {
        forger.refused(json_bundle(&with(&sound, pointer, to)), words);
    }
    let mut both = sound.clone();
    both["messageSignature"] = json!({"signature": "AAAA"});
    forger.refused(json_bundle(&both), "several payloads");
    // The same field twice: whose is read?
    let text = sound.to_string().replacen('{', "{\"mediaType\":\"x\",", 1);
    forger.refused(bundle(text.as_bytes()), "no bundle");
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
fn a_simple_signing_payload_is_about_this_manifest() {
    let forger = Forger::new();
    let sound: Value = serde_json::from_slice(PAYLOAD).unwrap();
    let signed = |payload: &Value| {
        let payload = payload.to_string();
        simple(payload.as_bytes(), &forger.sign(payload.as_bytes()))
    };
    all_of(&[&forger.pem]).check(artifact(), &[signed(&sound)]).unwrap();
    let digest = "/critical/image/docker-manifest-digest";
    for (pointer, to, words) in [
        (digest, json!(Digest([7; 32]).to_string()), "a signature of another artifact, sha256:07"),
        (digest, json!("sha512:ab"), "a signature of another artifact"),
        ("/critical/type", json!("atomic container signature"), "a payload of an unknown type"),
        ("/critical", json!({}), "a payload that is not simple signing"),
    ] {
        forger.refused(signed(&with(&sound, pointer, to)), words);
    }
    forger.refused(simple(PAYLOAD, "*"), "the signature is no base64");
    forger.refused(simple(PAYLOAD, &forger.sign(b"another")), "a signature by another key");
}

#[test]
fn a_signature_of_a_file_is_none_of_an_artifact_and_the_reverse() {
    refused(&all_of(&[P256]), artifact(), &[bundle(BLOB)], &["none of an artifact"]);
    let file = Subject::File(MANIFEST);
    refused(&all_of(&[P256]), file, &[bundle(IMAGE)], &["no signature of a file"]);
    refused(&all_of(&[P256]), file, &[simple(PAYLOAD, SIMPLE)], &["none of a file"]);
}

#[test]
fn a_files_digest_is_its_own_and_of_a_known_algorithm() {
    let forger = Forger::new();
    let sound = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {}},
        "messageSignature": {
            "messageDigest": {"algorithm": "SHA2_256", "digest": STANDARD.encode(sha256(DRIVER).0)},
            "signature": forger.sign(DRIVER),
        },
    });
    let policy = all_of(&[&forger.pem]);
    let file = Subject::File(DRIVER);
    policy.check(file, &[json_bundle(&sound)]).unwrap();
    for (pointer, to, words) in [
        ("/messageSignature/messageDigest/algorithm", json!("SHA2_512"), "an unknown algorithm"),
        ("/messageSignature/messageDigest/digest", json!("AAAA"), "of another file"),
        ("/messageSignature/messageDigest", json!({"algorithm": "SHA2_256"}), "half a digest"),
        ("/messageSignature/signature", json!(forger.sign(b"x")), "by another key"),
    ] {
        refused(&policy, file, &[json_bundle(&with(&sound, pointer, to))], &[words]);
    }
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

/// Whoever may write to a repository must not make others' signatures useless.
#[test]
fn what_else_lies_there_does_no_harm() {
    let mut evidence = vec![bundle(b"{"), simple(b"", ""), bundle(ATTESTATION)];
    evidence.extend(all());
    all_of(&[P256]).check(artifact(), &evidence).unwrap();
}

/// The hint of a key says which one is tried first, and decides nothing.
#[test]
fn a_wrong_hint_changes_nothing() {
    let sound: Value = serde_json::from_slice(IMAGE).unwrap();
    let hint = "/verificationMaterial/publicKey/hint";
    let other = serde_json::from_slice::<Value>(IMAGE_ED25519).unwrap();
    for to in [json!(""), json!("?"), Value::Null, other.pointer(hint).unwrap().clone()] {
        let evidence = [json_bundle(&with(&sound, hint, to))];
        all_of(&[P256]).check(artifact(), &evidence).unwrap();
        any_of(1, &[ED25519, P256]).check(artifact(), &evidence).unwrap();
        refused(&all_of(&[ED25519]), artifact(), &evidence, &["found a signature"]);
    }
}

/// A stranger's text is not repeated without end.
#[test]
fn a_refusal_is_no_longer_than_somebody_reads() {
    let forger = Forger::new();
    let text = "A".repeat(1 << 20);
    let payload = json!({"critical": text}).to_string();
    let broken: Vec<_> = (0..9).map(|at| json_bundle(&json!({"mediaType": at}))).collect();
    refused(&all_of(&[P256]), artifact(), &broken, &["integer `7`", "; 1 more"]);
    for evidence in [
        json_bundle(&json!({"mediaType": "x", "verificationMaterial": text})),
        json_bundle(&forger.envelope(&with(&statement(), "/subject", text.clone().into()))),
        simple(payload.as_bytes(), &forger.sign(payload.as_bytes())),
    ] {
        let refused = all_of(&[&forger.pem]).check(artifact(), &[evidence]).unwrap_err();
        let refused = refused.to_string();
        assert!(refused.contains("AAA") && refused.len() < 1000, "{} bytes", refused.len());
    }
}
