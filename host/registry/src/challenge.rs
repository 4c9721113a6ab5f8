//! How a registry wants to know who asks ([RFC 9110], section 11).
//!
//! [RFC 9110]: https://www.rfc-editor.org/rfc/rfc9110#section-11

use std::collections::BTreeMap;

/// What a `WWW-Authenticate` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User and password.
    Basic,
    /// A token, which the realm gives for this service.
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    /// A bearer challenge if there is one, else basic. Each field has one challenge,
    /// as registries write them.
    pub(crate) fn of<'a>(fields: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut is_basic = false;
        for field in fields {
            let (scheme, rest) = field.trim().split_once(' ').unwrap_or((field.trim(), ""));
            if scheme.eq_ignore_ascii_case("bearer") {
                let mut parameters = parameters(rest)?;
                let realm = parameters.remove("realm")?;
                return Some(Self::Bearer { realm, service: parameters.remove("service") });
            }
            is_basic |= scheme.eq_ignore_ascii_case("basic");
        }
        is_basic.then_some(Self::Basic)
    }
}

/// `name=token` and `name="quoted"`, with commas between them.
fn parameters(text: &str) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = after.find(',').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        let is_new = found.insert(name.trim().to_ascii_lowercase(), value).is_none();
        rest = after.trim_start();
        if !is_new || !(rest.is_empty() || rest.starts_with(',')) {
            return None;
        }
        rest = rest.trim_start_matches([',', ' ', '\t']);
    }
    Some(found)
}

/// A text up to its closing quote, and what follows.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Challenge;

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        let service = service.map(str::to_owned);
        Some(Challenge::Bearer { realm: realm.to_owned(), service })
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let of = |fields: &[&str]| Challenge::of(fields.iter().copied());
        let docker = "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:a/b:pull\"";
        assert_eq!(
            of(&[docker]),
            bearer("https://auth.docker.io/token", Some("registry.docker.io"))
        );
        assert_eq!(of(&["Basic realm=\"x\""]), Some(Challenge::Basic));
        assert_eq!(
            of(&["basic", "bearer realm=a , service=\"b\\\"c\""]),
            bearer("a", Some("b\"c"))
        );
        assert_eq!(of(&["Negotiate", "Basic"]), Some(Challenge::Basic));
        for wrong in [
            "",
            "Bearer",
            "Bearer realm",
            "Bearer realm=\"a",
            "Bearer realm=\"a\\",
            "Bearer service=\"a\"",
            "Bearer realm=\"a\" service=\"b\"",
            "Bearer realm=\"a\",realm=\"b\"",
            "Digest realm=\"a\"",
            "ä",
        ] {
            assert_eq!(of(&[wrong]), None, "{wrong}");
        }
    }
}
