//! What names an artifact: `oci://registry/repository:tag@sha256:…`.

use crate::which::Which;
use ipam_api::{Digest, text::bounded};
use std::{fmt, net::Ipv6Addr, str::FromStr};

/// What a reference begins with.
pub const SCHEME: &str = "oci://";

/// The longest name of a registry with a repository, in bytes.
const NAME_BYTES: usize = 255;
/// The longest tag, in bytes.
const TAG_BYTES: usize = 128;

/// An artifact in a registry, by tag, by digest, or by both: then the digest
/// decides, and the tag is for people.
///
/// ```
/// use ipam_registry::Reference;
///
/// let reference: Reference = "oci://ghcr.io/acme/lab:1.0".parse()?;
/// assert_eq!(reference.name(), "ghcr.io/acme/lab");
/// assert_eq!(reference.to_string(), "oci://ghcr.io/acme/lab:1.0");
/// # Ok::<(), ipam_registry::InvalidReference>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A text that names no artifact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{:?} names no artifact: {why}", bounded(NAME_BYTES, .text))]
pub struct InvalidReference {
    text: String,
    why: &'static str,
}

impl Reference {
    /// The host of the registry, with its port if it is named.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path below it.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Registry and repository, as a policy names them.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The tag, if there is one.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest, if it is pinned.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Which manifest it names: by its digest, if it has one.
    #[must_use]
    pub fn which(&self) -> Which<'_> {
        match (self.digest, &self.tag) {
            (Some(digest), _) => Which::Digest(digest),
            (None, tag) => Which::Tag(tag.as_deref().unwrap_or_default()),
        }
    }

    /// The same artifact, pinned.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// Whether a policy's `repository` covers it: that one, or with a slash at
    /// the end all below it.
    #[must_use]
    pub fn is_within(&self, repository: &str) -> bool {
        let name = self.name();
        if repository.ends_with('/') { name.starts_with(repository) } else { name == repository }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        parse(text).map_err(|why| InvalidReference { text: text.to_owned(), why })
    }
}

/// The grammar of the [distribution specification], without anything left out:
/// no registry and no tag is assumed.
///
/// [distribution specification]: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests
fn parse(text: &str) -> Result<Reference, &'static str> {
    let rest = text.strip_prefix(SCHEME).ok_or("a reference begins with oci://")?;
    let (rest, digest) = match rest.split_once('@') {
        Some((rest, digest)) => (rest, Some(parse_digest(digest)?)),
        None => (rest, None),
    };
    let (registry, rest) = rest.split_once('/').ok_or("write oci://REGISTRY/REPOSITORY:TAG")?;
    let (repository, tag) = match rest.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (rest, None),
    };
    if registry.len() + repository.len() > NAME_BYTES {
        return Err("registry and repository have more than 255 bytes");
    }
    if !is_registry(registry) {
        return Err("the registry is a host, with or without a port");
    }
    if !repository.split('/').all(is_component) {
        return Err("a repository is lower-case letters, digits, and single . _ - between them");
    }
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err(
            "a tag is up to 128 letters, digits, _ . -, and begins with none of the last two",
        );
    }
    if tag.is_none() && digest.is_none() {
        return Err("name a tag, or a digest: none is assumed");
    }
    Ok(Reference {
        registry: registry.to_owned(),
        repository: repository.to_owned(),
        tag: tag.map(str::to_owned),
        digest,
    })
}

fn parse_digest(text: &str) -> Result<Digest, &'static str> {
    let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let digest = text.parse().ok().filter(|_| is_lower);
    digest.ok_or("a digest is sha256: and 64 hexadecimal digits in lower case")
}

/// Whether a text is a host, with or without a port, as a reference begins with,
/// and no longer than one.
#[must_use]
pub fn is_registry(text: &str) -> bool {
    if text.len() > NAME_BYTES {
        return false;
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|it| it > 0)
    };
    if !port.is_none_or(is_port) {
        return false;
    }
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    host.split('.').all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

/// One part of a repository's path: words, and between two of them `.`, `_`,
/// `__`, or hyphens.
fn is_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends_in_words = |text: &str| {
        text.bytes().next().is_some_and(is_word) && text.bytes().next_back().is_some_and(is_word)
    };
    let between = text.split(|it: char| it.is_ascii() && is_word(it as u8));
    let is_separator =
        |it: &str| matches!(it, "" | "." | "_" | "__") || it.bytes().all(|byte| byte == b'-');
    ends_in_words(text) && between.into_iter().all(is_separator)
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= TAG_BYTES
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::Reference;

    const DIGEST: &str = "sha256:abababababababababababababababababababababababababababababababab";

    #[test]
    fn a_reference_is_read_and_written_alike() {
        for text in [
            "oci://ghcr.io/acme/lab:1.0",
            "oci://127.0.0.1:5000/lab:1.0",
            "oci://[::1]:5000/acme/lab:latest",
            "oci://[::1]/acme/lab:latest",
            "oci://registry/a/b/c-d/e__f/g.h:_x",
            &format!("oci://localhost/lab@{DIGEST}"),
            &format!("oci://localhost:5000/lab:1@{DIGEST}"),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
        let which = |text: &str| text.parse::<Reference>().unwrap().which().to_string();
        assert_eq!(which("oci://localhost/lab:1"), "1");
        assert_eq!(which(&format!("oci://localhost/lab:1@{DIGEST}")), DIGEST);
    }

    #[test]
    fn what_names_nothing_is_refused_with_the_reason() {
        for (text, words) in [
            ("ghcr.io/acme/lab:1.0", "begins with oci://"),
            ("OCI://ghcr.io/acme/lab:1.0", "begins with oci://"),
            ("oci://lab:1.0", "REGISTRY/REPOSITORY"),
            ("oci:///lab:1.0", "the registry is a host"),
            ("oci://-a.b/lab:1", "the registry is a host"),
            ("oci://me:secret@ghcr.io/lab:1", "a digest is"),
            ("oci://a:0/lab:1", "the registry is a host"),
            ("oci://a:65536/lab:1", "the registry is a host"),
            ("oci://a:+5/lab:1", "the registry is a host"),
            ("oci://[::1/lab:1", "the registry is a host"),
            ("oci://a b/lab:1", "the registry is a host"),
            ("oci://ghcr.io/Acme/lab:1", "a repository is lower-case"),
            ("oci://ghcr.io//lab:1", "a repository is lower-case"),
            ("oci://ghcr.io/../lab:1", "a repository is lower-case"),
            ("oci://ghcr.io/a___b:1", "a repository is lower-case"),
            ("oci://ghcr.io/a-:1", "a repository is lower-case"),
            ("oci://ghcr.io/a?b:1", "a repository is lower-case"),
            ("oci://ghcr.io/ä:1", "a repository is lower-case"),
            ("oci://ghcr.io/acme/lab", "name a tag"),
            ("oci://ghcr.io/acme/lab:", "a tag is"),
            ("oci://ghcr.io/acme/lab:.x", "a tag is"),
            ("oci://ghcr.io/acme/lab:1:2", "a tag is"),
            ("oci://ghcr.io/acme/lab:1/2", "a tag is"),
            ("oci://ghcr.io/acme/lab@sha256:ab", "a digest is"),
            (&format!("oci://ghcr.io/lab@{}", DIGEST.replace('b', "B")), "lower case"),
            (&format!("oci://ghcr.io/{}:1", "a".repeat(250)), "more than 255 bytes"),
            (&format!("oci://ghcr.io/a:{}", "a".repeat(129)), "a tag is"),
        ] {
            let refused = text.parse::<Reference>().unwrap_err().to_string();
            assert!(refused.contains(words), "{text}: {refused}");
        }
    }

    #[test]
    fn a_slash_at_the_end_of_a_policy_is_meant() {
        let lab: Reference = "oci://ghcr.io/acme/lab:1".parse().unwrap();
        for (repository, want) in [
            ("ghcr.io/acme/", true),
            ("ghcr.io/acme/lab", true),
            ("ghcr.io/acme", false),
            ("ghcr.io/ac", false),
            ("ghcr.io/acme/lab/", false),
            ("ghcr.io/", true),
            ("", false),
        ] {
            assert_eq!(lab.is_within(repository), want, "{repository}");
        }
    }
}
