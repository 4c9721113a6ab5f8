//! Checks signatures that `cosign` made with a key.
//!
//! In: the keys that an operator trusts, what was signed (the digest of an OCI
//! manifest, or a file), and what was found that may be a signature. Out: who
//! signed it, or why that is not enough.
//!
//! What is read is what `cosign` 2 and 3 write with `--key`:
//!
//! - a [Sigstore bundle], version 0.3, with a DSSE envelope (`cosign sign`, 3);
//! - [simple signing]: a payload, and a signature beside it (`cosign sign`, 2);
//! - a Sigstore bundle with a signature of a file (`cosign sign-blob`).
//!
//! A signature says "this key signed this digest", and no more. What holds:
//!
//! - nothing that was signed is believed, nor parsed, before its signature is
//!   right;
//! - an *attestation* by a trusted key is no signature, whatever it is about: it
//!   says something of an artifact, perhaps that it is bad;
//! - a key's hint only says which key is tried first.
//!
//! Keys are ECDSA on P-256 and Ed25519. Not Ed25519ph, in which cosign 3.1.1 signs
//! artifacts with an Ed25519 key: cosign itself does not verify that, and [is to
//! sign] them in plain Ed25519, which is checked here. ring does not have
//! Ed25519ph, and `ed25519-dalek` is six crates more.
//!
//! The transparency log, timestamps and certificates are not looked at. This
//! crate signs nothing, and knows no registry.
//!
//! [is to sign]: https://github.com/sigstore/cosign/pull/5074
//! [Sigstore bundle]: https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto
//! [simple signing]: https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md

mod bundle;
mod digest;
mod evidence;
mod key;
mod policy;
#[cfg(test)]
mod tests;

pub use bundle::BUNDLE_MEDIA_TYPE;
pub use digest::sha256;
pub use evidence::{EVIDENCE_BYTES_MAX, Evidence, SIGN_PREDICATE_TYPE, Subject};
pub use key::{InvalidKey, PublicKey};
pub use policy::{AnyOf, InvalidPolicy, KEYS_MAX, Policy, Refusal, Signer, Verified};
