//! What may be a signature, and what comes of it with the keys of a policy.

use crate::{
    bundle::{Bundle, Content, SHOWN_BYTES, Statement, base64, envelope_message},
    digest::sha256,
    key::{PublicKey, shown},
};
use ipam_api::{Digest, text::bounded};
use serde::Deserialize;
use std::fmt;

/// The largest bundle or payload, in bytes. Cosign's have about one thousand.
pub const EVIDENCE_BYTES_MAX: usize = 4 << 20;
/// The predicate type of what `cosign sign` writes. Any other one is an
/// attestation.
pub const SIGN_PREDICATE_TYPE: &str = "https://sigstore.dev/cosign/sign/v1";
/// The type of a statement of in-toto.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// What a simple-signing payload says that it is.
const SIMPLE_SIGNING: &str = "cosign container image signature";
/// The algorithm of a message's digest, as bundles call it.
const SHA2_256: &str = "SHA2_256";

/// What has to be signed.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// An OCI manifest, by its digest.
    Manifest(Digest),
    /// A file, by what is in it.
    File(&'a [u8]),
}

/// What was found beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// A Sigstore bundle.
    Bundle(Vec<u8>),
    /// A simple-signing payload.
    SimpleSigning {
        /// What was signed.
        payload: Vec<u8>,
        /// In base64, as the annotation `dev.cosignproject.cosign/signature` has it.
        signature: String,
    },
}

/// What a piece of evidence turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// A signature of the subject, by that key of those that were tried.
    Signed(usize),
    /// By one of the keys, but not what is asked for.
    Other(usize, String),
    /// By nobody that the policy names; whose it says that it is, if it does.
    Unknown(Option<Vec<u8>>),
    /// It says that it is by an Ed25519 key of the policy, and is not a plain
    /// signature by it.
    NotPlain,
    /// It cannot be checked.
    Unreadable(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signed(_) => f.write_str("a signature"),
            Self::Other(_, why) | Self::Unreadable(why) => f.write_str(why),
            Self::Unknown(Some(hint)) if hint.len() == 32 => {
                write!(f, "a signature by another key ({})", shown(hint))
            }
            Self::Unknown(_) => f.write_str("a signature by another key"),
            Self::NotPlain => f.write_str(
                "a signature in the name of an Ed25519 key that is none, or is Ed25519ph, which \
                 cosign 3.1.1 makes of artifacts and neither cosign nor Wipam verifies: sign with \
                 a P-256 key, which `cosign generate-key-pair` makes",
            ),
        }
    }
}

/// Something signed, before anybody looked into it.
struct SignedMessage {
    message: Vec<u8>,
    signature: Vec<u8>,
    hint: Option<Vec<u8>>,
}

impl SignedMessage {
    /// Which of the keys signed it. The one that the hint names is tried first.
    fn by(&self, keys: &[&PublicKey]) -> Option<usize> {
        let hinted = (0..keys.len()).filter(|at| self.is_hinted(keys[*at]));
        hinted.chain(0..keys.len()).find(|at| keys[*at].has_signed(&self.message, &self.signature))
    }

    fn is_hinted(&self, key: &PublicKey) -> bool {
        self.hint.as_deref() == Some(&key.id()[..])
    }

    fn is_in_the_name_of_ed25519(&self, keys: &[&PublicKey]) -> bool {
        keys.iter().any(|key| key.is_ed25519() && self.is_hinted(key))
    }
}

impl Evidence {
    /// What it is to who trusts these keys.
    pub(crate) fn found(&self, subject: Subject<'_>, keys: &[&PublicKey]) -> Finding {
        self.judge(subject, keys).unwrap_or_else(Finding::Unreadable)
    }

    fn judge(&self, subject: Subject<'_>, keys: &[&PublicKey]) -> Result<Finding, String> {
        match self {
            Self::Bundle(bytes) => {
                within(bytes)?;
                let Bundle { hint, content } = Bundle::parse(bytes)?;
                match (content, subject) {
                    (Content::Envelope(envelope), Subject::Manifest(of)) => {
                        let payload = envelope.payload;
                        let message = envelope_message(&payload);
                        let signed = SignedMessage { message, signature: envelope.signature, hint };
                        Ok(outcome(signed, keys, || about_statement(&payload, of)))
                    }
                    (Content::Message { digest: said, signature }, Subject::File(bytes)) => {
                        check_message_digest(said, bytes)?;
                        let signed = SignedMessage { message: bytes.to_vec(), signature, hint };
                        Ok(outcome(signed, keys, || Ok(())))
                    }
                    (Content::Envelope(_), Subject::File(_)) => {
                        Err("an attestation, and no signature of a file: use `cosign sign-blob`"
                            .into())
                    }
                    (Content::Message { .. }, Subject::Manifest(_)) => {
                        Err("a signature of a file, and none of an artifact: use `cosign sign`"
                            .into())
                    }
                }
            }
            Self::SimpleSigning { payload, signature } => {
                within(payload)?;
                let Subject::Manifest(of) = subject else {
                    return Err("a signature of an artifact, and none of a file".into());
                };
                let signature = base64("the signature", signature)?;
                let signed = SignedMessage { message: payload.clone(), signature, hint: None };
                Ok(outcome(signed, keys, || about_simple_signing(payload, of)))
            }
        }
    }
}

fn within(bytes: &[u8]) -> Result<(), String> {
    if bytes.len() > EVIDENCE_BYTES_MAX {
        return Err(format!("more than {EVIDENCE_BYTES_MAX} bytes"));
    }
    Ok(())
}

/// What was signed is looked into only when the signature is right.
fn outcome(
    signed: SignedMessage,
    keys: &[&PublicKey],
    about: impl FnOnce() -> Result<(), String>,
) -> Finding {
    match signed.by(keys) {
        None if signed.is_in_the_name_of_ed25519(keys) => Finding::NotPlain,
        None => Finding::Unknown(signed.hint),
        Some(key) => about().map_or_else(|why| Finding::Other(key, why), |()| Finding::Signed(key)),
    }
}

fn check_message_digest(said: Option<(String, Vec<u8>)>, bytes: &[u8]) -> Result<(), String> {
    // With Ed25519 cosign says none.
    let Some((algorithm, said)) = said else { return Ok(()) };
    if algorithm != SHA2_256 {
        return Err(format!("a signature with an unknown algorithm, {}", short(&algorithm)));
    }
    if said != sha256(bytes).0 {
        return Err("a signature of another file".to_owned());
    }
    Ok(())
}

/// Whether a statement says that this manifest is signed, and nothing else.
fn about_statement(payload: &[u8], of: Digest) -> Result<(), String> {
    let statement = Statement::parse(payload)?;
    if statement.predicate_type != SIGN_PREDICATE_TYPE {
        let predicate = short(&statement.predicate_type);
        return Err(format!("an attestation ({predicate}), which is no signature"));
    }
    if statement.kind != STATEMENT {
        return Err(format!("a statement of an unknown type, {}", short(&statement.kind)));
    }
    let [subject] = &statement.subject[..] else {
        let count = statement.subject.len();
        return Err(format!("a signature of {count} artifacts at once, where one is expected"));
    };
    let found = subject.digest.get("sha256").ok_or("a signature without a SHA-256")?;
    about(&format!("sha256:{found}"), of)
}

/// The part of a simple-signing payload that has to be right.
#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    r#type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

fn about_simple_signing(payload: &[u8], of: Digest) -> Result<(), String> {
    let Payload { critical } = serde_json::from_slice(payload)
        .map_err(|error| format!("a payload that is not simple signing: {}", short(error)))?;
    if critical.r#type != SIMPLE_SIGNING {
        return Err(format!("a payload of an unknown type, {}", short(&critical.r#type)));
    }
    about(&critical.image.docker_manifest_digest, of)
}

fn about(found: &str, of: Digest) -> Result<(), String> {
    match found.parse() {
        Ok(digest) if of == digest => Ok(()),
        _ => Err(format!("a signature of another artifact, {}", short(found))),
    }
}

fn short(text: impl fmt::Display) -> String {
    bounded(SHOWN_BYTES, text)
}
