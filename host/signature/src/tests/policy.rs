//! Who must have signed, and with which keys.

use super::*;

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
