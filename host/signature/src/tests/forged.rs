//! What cosign would not sign, rightly signed by a key of the tests' own.

use super::*;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ipam_api::Digest;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};

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
