//! Public keys, as `cosign` and openssl write them.

use crate::digest::sha256;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject as _};
use std::{fmt, str::FromStr};

/// What comes before the point of a P-256 key ([RFC 5480]): compared as bytes,
/// since DER has one way to write it.
///
/// [RFC 5480]: https://www.rfc-editor.org/rfc/rfc5480#section-2
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// The bytes of a point that is not compressed, its first byte included.
const P256_POINT: usize = 65;
/// What comes before an Ed25519 key ([RFC 8410]).
///
/// [RFC 8410]: https://www.rfc-editor.org/rfc/rfc8410#section-4
const ED25519_HEAD: &[u8] =
    &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const ED25519_KEY: usize = 32;

/// How many bytes of a key's digest are shown, two digits each: enough to tell two
/// apart.
const SHOWN_BYTES: usize = 6;

/// A key that signatures are checked with: ECDSA on P-256, or Ed25519.
///
/// It is shown as the beginning of the SHA-256 of its DER form.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: Kind,
    bytes: Vec<u8>,
    id: [u8; 32],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    P256,
    Ed25519,
}

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// It is the other half.
    #[error("it is a private key; cosign writes the public one into a file that ends with .pub")]
    Private,
    /// There is none.
    #[error("there is no key in it: expected -----BEGIN PUBLIC KEY-----")]
    None,
    /// Which one would count?
    #[error("there are several keys in it; write one entry for each")]
    Several,
    /// It is damaged.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// RSA, another curve, ...
    #[error(
        "it is neither an ECDSA key on P-256 nor an Ed25519 key, which are the keys that are checked here"
    )]
    Unknown,
}

impl FromStr for PublicKey {
    type Err = InvalidKey;

    /// Reads one key from PEM.
    fn from_str(pem: &str) -> Result<Self, InvalidKey> {
        if pem.contains("PRIVATE KEY-----") {
            return Err(InvalidKey::Private);
        }
        let mut found = SubjectPublicKeyInfoDer::pem_slice_iter(pem.as_bytes());
        let first = found.next().ok_or(InvalidKey::None)?;
        let der = first.map_err(|error| InvalidKey::Damaged(error.to_string()))?;
        if found.next().is_some() {
            return Err(InvalidKey::Several);
        }
        Self::of_der(&der)
    }
}

impl PublicKey {
    fn of_der(der: &[u8]) -> Result<Self, InvalidKey> {
        let known = |kind, head: &[u8], length: usize| {
            let bytes = der.strip_prefix(head).filter(|bytes| bytes.len() == length)?;
            Some(Self { kind, bytes: bytes.to_vec(), id: sha256(der).0 })
        };
        known(Kind::P256, P256, P256_POINT)
            .or_else(|| known(Kind::Ed25519, ED25519_HEAD, ED25519_KEY))
            .ok_or(InvalidKey::Unknown)
    }

    /// Whether this key signed the message.
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn VerificationAlgorithm = match self.kind {
            Kind::P256 => &ECDSA_P256_SHA256_ASN1,
            Kind::Ed25519 => &ED25519,
        };
        UnparsedPublicKey::new(algorithm, &self.bytes).verify(message, signature).is_ok()
    }

    pub(crate) fn is_ed25519(&self) -> bool {
        self.kind == Kind::Ed25519
    }

    /// The SHA-256 of its DER form, which `cosign` writes as its hint.
    pub(crate) fn id(&self) -> &[u8; 32] {
        &self.id
    }
}

/// The beginning of a key's digest.
pub(crate) fn shown(id: &[u8]) -> String {
    id.iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.id))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}
