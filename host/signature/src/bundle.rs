//! The JSON of Sigstore's bundles, field for field, as far as it matters here.
//!
//! Fields that are not looked at (the transparency log's entries, timestamps)
//! may be there; those that say who signed what must be there once.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ipam_api::text::bounded;
use serde::{Deserialize, de::IgnoredAny};
use std::collections::BTreeMap;

/// The media type of a Sigstore bundle.
pub const BUNDLE_MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// How much of a stranger's text is repeated, in bytes.
pub(crate) const SHOWN_BYTES: usize = 128;

/// A bundle, decoded and not believed.
pub(crate) struct Bundle {
    /// The digest of the key that it is said to be signed with.
    pub(crate) hint: Option<Vec<u8>>,
    pub(crate) content: Content,
}

pub(crate) enum Content {
    /// `cosign sign` and `cosign attest`.
    Envelope(Envelope),
    /// `cosign sign-blob`: algorithm and value of the file's digest, if it is
    /// said.
    Message { digest: Option<(String, Vec<u8>)>, signature: Vec<u8> },
}

pub(crate) struct Envelope {
    /// A statement of in-toto.
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Option<EnvelopeJson>,
    message_signature: Option<MessageJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    public_key: Option<KeyJson>,
    certificate: Option<IgnoredAny>,
    x509_certificate_chain: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct KeyJson {
    hint: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopeJson {
    payload: String,
    payload_type: String,
    signatures: Vec<SignatureJson>,
}

#[derive(Deserialize)]
struct SignatureJson {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageJson {
    message_digest: Option<DigestJson>,
    signature: String,
}

#[derive(Deserialize)]
struct DigestJson {
    algorithm: Option<String>,
    digest: Option<String>,
}

/// A statement of in-toto.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Statement {
    #[serde(rename = "_type")]
    pub(crate) kind: String,
    pub(crate) subject: Vec<Artifact>,
    pub(crate) predicate_type: String,
}

#[derive(Deserialize)]
pub(crate) struct Artifact {
    pub(crate) digest: BTreeMap<String, String>,
}

impl Statement {
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(payload).map_err(|error| {
            format!("a payload that is no statement: {}", bounded(SHOWN_BYTES, error))
        })
    }
}

impl Bundle {
    /// Decodes a bundle.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let json: Json = serde_json::from_slice(bytes)
            .map_err(|error| format!("no bundle: {}", bounded(SHOWN_BYTES, error)))?;
        if json.media_type != BUNDLE_MEDIA_TYPE {
            let found = bounded(SHOWN_BYTES, &json.media_type);
            return Err(format!("a bundle of an unknown version, {found}"));
        }
        let Material { public_key, certificate, x509_certificate_chain } =
            json.verification_material;
        if certificate.is_some() || x509_certificate_chain.is_some() {
            return Err("a signature with a certificate, where only keys are checked".to_owned());
        }
        let hint = public_key.and_then(|key| key.hint);
        // It decides nothing, so it may be anything.
        let hint = hint.and_then(|hint| STANDARD.decode(hint).ok());
        let content = match (json.dsse_envelope, json.message_signature) {
            (Some(envelope), None) => Content::Envelope(envelope.read()?),
            (None, Some(message)) => message.read()?,
            (None, None) => return Err("a bundle without a signature".to_owned()),
            (Some(_), Some(_)) => return Err("a bundle with several payloads".to_owned()),
        };
        Ok(Self { hint, content })
    }
}

impl EnvelopeJson {
    fn read(self) -> Result<Envelope, String> {
        if self.payload_type != IN_TOTO {
            return Err("an envelope whose payload is of an unknown type".to_owned());
        }
        let [signature] = &self.signatures[..] else {
            let count = self.signatures.len();
            return Err(format!("an envelope with {count} signatures, where one is expected"));
        };
        Ok(Envelope {
            payload: base64("the payload", &self.payload)?,
            signature: base64("the signature", &signature.sig)?,
        })
    }
}

impl MessageJson {
    fn read(self) -> Result<Content, String> {
        let digest = match self.message_digest {
            Some(DigestJson { algorithm: Some(algorithm), digest: Some(digest) }) => {
                Some((algorithm, base64("the digest", &digest)?))
            }
            Some(DigestJson { algorithm: None, digest: None }) | None => None,
            Some(_) => return Err("a signature with half a digest".to_owned()),
        };
        Ok(Content::Message { digest, signature: base64("the signature", &self.signature)? })
    }
}

/// What is signed of an envelope: [DSSE]'s pre-authentication encoding.
///
/// [DSSE]: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
pub(crate) fn envelope_message(payload: &[u8]) -> Vec<u8> {
    let (type_bytes, bytes) = (IN_TOTO.len(), payload.len());
    let mut message = format!("DSSEv1 {type_bytes} {IN_TOTO} {bytes} ").into_bytes();
    message.extend_from_slice(payload);
    message
}

/// Padded, without blanks.
pub(crate) fn base64(what: &str, text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| format!("{what} is no base64: {error}"))
}
