//! Who must have signed a driver, as the configuration says.

use crate::fatal::Fatal;
use ipam_api::Digest;
use ipam_registry::{Reference, Signatures};
use ipam_runtime::read_regular;
use ipam_signature::{
    AnyOf, EVIDENCE_BYTES_MAX, Evidence, Policy, PublicKey, Signer, Subject, Verified,
};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The largest file of a key, in bytes.
const KEY_BYTES: u64 = 16 << 10;
/// How many notes a refusal has.
const NOTES_LISTED: usize = 8;
/// What the name of a signature's file ends with, behind that of what is signed.
const ENDING: &str = ".sigstore.json";

/// Who must have signed, and where drivers may come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SignaturePolicy {
    policy: Policy,
    /// A repository, or with a slash at the end all below it. Files are in none.
    repository: Option<String>,
}

/// `[signatures]`, key for key.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct SignaturesTable {
    #[serde(default)]
    all_of: Vec<KeyTable>,
    any_of: Option<AnyOfTable>,
    repository: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct AnyOfTable {
    #[serde(default = "one")]
    at_least: usize,
    keys: Vec<KeyTable>,
}

fn one() -> usize {
    1
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct KeyTable {
    /// A file, or the key itself.
    key: String,
    owner: Option<String>,
}

impl KeyTable {
    fn signer(&self, base: &Path) -> Result<Signer, String> {
        if self.key.trim_start().starts_with("-----BEGIN") {
            let key =
                self.key.parse().map_err(|error| format!("a key of [signatures]: {error}"))?;
            return Ok(Signer { key, owner: self.owner.clone() });
        }
        Ok(Signer { key: read_key(&base.join(&self.key))?, owner: self.owner.clone() })
    }
}

fn read_key(path: &Path) -> Result<PublicKey, String> {
    let of_file = |why: String| format!("the key {}: {why}", path.display());
    let bytes = read_regular(path, KEY_BYTES).map_err(|error| of_file(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| of_file("it is no text".to_owned()))?;
    text.parse().map_err(|error| of_file(format!("{error}")))
}

impl SignaturesTable {
    /// `base` is what a key's file is relative to.
    pub(crate) fn signed(&self, base: &Path) -> Result<SignaturePolicy, Fatal> {
        self.read(base).map_err(Fatal::Usage)
    }

    fn read(&self, base: &Path) -> Result<SignaturePolicy, String> {
        let signers = |keys: &[KeyTable]| -> Result<Vec<_>, String> {
            keys.iter().map(|key| key.signer(base)).collect()
        };
        let any_of = match &self.any_of {
            Some(table) => Some(AnyOf { at_least: table.at_least, signers: signers(&table.keys)? }),
            None => None,
        };
        let policy = Policy::new(signers(&self.all_of)?, any_of);
        let policy = policy.map_err(|error| format!("[signatures]: {error}"))?;
        match self.repository.as_deref() {
            Some(wrong) if !wrong.contains('/') || wrong.contains("://") => Err(format!(
                "[signatures]: repository = {wrong:?}: write REGISTRY/REPOSITORY, \
                 or REGISTRY/PATH/ for all below it"
            )),
            repository => Ok(SignaturePolicy { policy, repository: repository.map(str::to_owned) }),
        }
    }
}

impl SignaturePolicy {
    /// Whoever has all of these keys.
    pub(crate) fn by_all(keys: &[PathBuf]) -> Result<Self, Fatal> {
        let read = |path: &PathBuf| read_key(path).map(|key| Signer { key, owner: None });
        let signers = keys.iter().map(read).collect::<Result<_, _>>().map_err(Fatal::Usage)?;
        let policy = Policy::new(signers, None).map_err(|error| Fatal::Usage(error.to_string()))?;
        Ok(Self { policy, repository: None })
    }

    /// Whether an artifact may be used. What lies in a directory has no reference.
    pub(crate) fn check_artifact(
        &self,
        reference: Option<&Reference>,
        digest: Digest,
        Signatures { evidence, notes }: &Signatures,
    ) -> Result<Verified, String> {
        if let Some(repository) = &self.repository
            && !reference.is_some_and(|reference| reference.is_within(repository))
        {
            let name = reference.map_or_else(|| "a directory".to_owned(), Reference::name);
            return Err(format!(
                "it is in {name}, and the policy allows repository = {repository:?}"
            ));
        }
        self.policy.check(Subject::Manifest(digest), evidence).map_err(|refusal| {
            let listed: String =
                notes.iter().take(NOTES_LISTED).map(|note| format!("; {note}")).collect();
            match notes.len().saturating_sub(NOTES_LISTED) {
                0 => format!("{refusal}{listed}"),
                more => format!("{refusal}{listed}; {more} more"),
            }
        })
    }

    /// Whether a file may be used: what signed it lies beside it.
    pub(crate) fn check_file(&self, path: &Path, bytes: &[u8]) -> Result<Verified, String> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(ENDING);
        let beside = PathBuf::from(beside);
        let bundle = read_regular(&beside, EVIDENCE_BYTES_MAX as u64).map_err(|error| {
            format!("a signature is required, and {}: {error}", beside.display())
        })?;
        let checked = self.policy.check(Subject::File(bytes), &[Evidence::Bundle(bundle)]);
        checked.map_err(|refusal| refusal.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::{SignaturePolicy, SignaturesTable};
    use ipam_api::Digest;
    use ipam_registry::Signatures;
    use std::{fs, path::Path};

    const KEY: &str = include_str!("../../signature/fixtures/p256.pub");
    const OTHER: &str = include_str!("../../signature/fixtures/other.pub");
    const DRIVER: &[u8] = include_bytes!("../../signature/fixtures/driver.wasm");
    const BUNDLE: &[u8] = include_bytes!("../../signature/fixtures/blob.sigstore.json");

    fn signed(base: &Path, text: &str) -> Result<SignaturePolicy, String> {
        let table: SignaturesTable =
            toml::from_str(text).map_err(|error| error.message().to_owned())?;
        table.signed(base).map_err(|fatal| fatal.to_string())
    }

    fn by(key: &str) -> String {
        format!("all-of = [{{ key = '''{key}''', owner = 'acme' }}]")
    }

    #[test]
    fn a_key_is_a_file_or_the_text_itself() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("acme.pub"), KEY).unwrap();
        let file = "all-of = [{ key = 'acme.pub', owner = 'acme' }]";
        assert_eq!(signed(directory.path(), file), signed(directory.path(), &by(KEY)));
        let any = "any-of = { keys = [{ key = 'acme.pub' }] }";
        assert!(signed(directory.path(), any).is_ok());
    }

    #[test]
    fn a_table_that_cannot_be_meant_is_refused_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name, text| fs::write(directory.path().join(name), text).unwrap();
        write("a.pub", KEY);
        write("private", "-----BEGIN ENCRYPTED PRIVATE KEY-----");
        write("large", &"#".repeat(16_385));
        for (text, words) in [
            ("", "it names no key"),
            ("all_of = []", "unknown field"),
            ("all-of = [{ file = 'a.pub' }]", "unknown field"),
            ("any-of = { atleast = 1, keys = [] }", "unknown field"),
            ("any-of = { keys = [] }", "at least 1 of 0 keys"),
            ("any-of = { at-least = 2, keys = [{ key = 'a.pub' }] }", "at least 2 of 1 keys"),
            ("all-of = [{ key = 'a.pub' }, { key = 'a.pub' }]", "named twice"),
            ("all-of = [{ key = 'none.pub' }]", "none.pub: No such file"),
            ("all-of = [{ key = '.' }]", "it is a directory"),
            ("all-of = [{ key = 'private' }]", "private: it is a private key"),
            ("all-of = [{ key = 'large' }]", "large: it has more than 16384 bytes"),
            ("all-of = [{ key = '-----BEGIN X-----' }]", "a key of [signatures]: "),
            ("repository = 'ghcr.io'\nall-of = [{ key = 'a.pub' }]", "write REGISTRY/REPOSITORY"),
            ("repository = 'oci://a/b'\nall-of = [{ key = 'a.pub' }]", "write REGISTRY/REPOSITORY"),
        ] {
            let refused = signed(directory.path(), text).unwrap_err();
            assert!(refused.contains(words), "{text}: {refused}");
        }
    }

    #[test]
    fn a_refusal_is_no_longer_than_somebody_reads() {
        let acme = signed(Path::new(""), &by(KEY)).unwrap();
        let notes = (0..100).map(|at| format!("note {at}")).collect();
        let signatures = Signatures { evidence: Vec::new(), notes };
        let refused = acme.check_artifact(None, Digest([0; 32]), &signatures).unwrap_err();
        assert!(refused.ends_with("; note 6; note 7; 92 more"), "{refused}");
    }

    #[test]
    fn a_file_is_signed_by_what_lies_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("lab.wasm");
        let acme = signed(directory.path(), &by(KEY)).unwrap();
        let other = signed(directory.path(), &by(OTHER)).unwrap();
        let refused = acme.check_file(&file, DRIVER).unwrap_err();
        assert!(refused.contains("lab.wasm.sigstore.json: No such file"), "{refused}");
        fs::write(directory.path().join("lab.wasm.sigstore.json"), BUNDLE).unwrap();
        assert_eq!(acme.check_file(&file, DRIVER).unwrap().to_string(), "acme (bdc53ccc9ccf)");
        assert!(acme.check_file(&file, b"another").unwrap_err().contains("of another file"));
        assert!(other.check_file(&file, DRIVER).unwrap_err().contains("by another key"));
    }
}
