//! Whose an object is: what a host's driver made is known by a text in it.

use crate::{Note, Object, Of, refusal};
use ipam_driver::Error;

/// Who this host is in a system of record. What it makes there has the text
/// `wipam driver=DRIVER host=HOST`, and in an address ` pool=KEY` after it, and more.
#[derive(Debug, Clone)]
pub struct Identity {
    /// What the text of every host begins with.
    driver: String,
    host: String,
}

impl Identity {
    /// Who the driver is on the `host` of a table.
    ///
    /// # Errors
    /// `InvalidRequest` for what is no name.
    pub fn new(driver: &str, host: String) -> Result<Self, Error> {
        let is_plain = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
        if !(1..=64).contains(&host.len()) || !host.chars().all(is_plain) {
            return Err(refusal("host: a name has 1 to 64 characters of A-Z a-z 0-9 . _ -"));
        }
        Ok(Self { driver: format!("wipam driver={driver} host="), host })
    }

    /// The name of the host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What the text of every host begins with.
    #[must_use]
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// The text of a pool of ours, or of an address of ours in that pool.
    #[must_use]
    pub fn text(&self, pool: Option<&str>) -> String {
        let text = format!("{}{}", self.driver, self.host);
        pool.map_or_else(|| text.clone(), |pool| format!("{text} pool={pool}"))
    }

    /// The text of an address of ours with that note, where people read the note
    /// elsewhere.
    #[must_use]
    pub fn field(&self, pool: Option<&str>, words: &str) -> String {
        let text = self.text(pool);
        if words == Note::GATEWAY { format!("{text} {words}") } else { text }
    }

    /// Whether the object is of this host, and of that pool if one is given. A
    /// description counts also where a field has been configured since.
    #[must_use]
    pub fn is_ours(&self, object: &Object, pool: Option<&str>) -> bool {
        let text = self.text(pool);
        is_or_begins(&object.description, &text)
            || object.identity.as_deref().is_some_and(|field| is_or_begins(field, &text))
    }

    /// Whether the object's description says that it is of this host.
    #[must_use]
    pub fn is_described(&self, object: &Object) -> bool {
        is_or_begins(&object.description, &self.text(None))
    }

    /// Whether the driver of any host made it.
    #[must_use]
    pub fn is_any_hosts(&self, object: &Object) -> bool {
        self.text_of(object).is_some()
    }

    /// Whether it is a gateway that the driver of any host made.
    pub(crate) fn is_any_hosts_gateway(&self, object: &Object) -> bool {
        // A container may be called gateway, but then it is `for=gateway`.
        let words = |text: &str| text.split(' ').skip(3).map(str::to_owned).collect::<Vec<_>>();
        self.text_of(object).map(words).is_some_and(|words| match &words[..] {
            [pool, last] => pool.starts_with("pool=") && last == Note::GATEWAY,
            _ => false,
        })
    }

    /// What an object of ours says when it is handed over to the host that made `other`,
    /// an address: a pool, or its gateway. Nothing if no host's driver made that.
    pub(crate) fn text_of_heir(&self, other: &Object, of: Of) -> Option<String> {
        let mut words: Vec<&str> = self.text_of(other)?.split(' ').take(4).collect();
        match of {
            Of::Pools => words.truncate(3),
            Of::Addresses => words.push(Note::GATEWAY),
        }
        Some(words.join(" "))
    }

    /// The key of the pool of an address that the driver of any host made.
    #[must_use]
    pub fn pool_key<'a>(&self, object: &'a Object) -> Option<&'a str> {
        self.text_of(object)?.split(' ').find_map(|word| word.strip_prefix("pool="))
    }

    /// Whether the driver of a host wrote it.
    #[must_use]
    pub fn is_text(&self, text: &str) -> bool {
        text.starts_with(&self.driver)
    }

    fn text_of<'a>(&self, object: &'a Object) -> Option<&'a str> {
        let texts = [object.identity.as_deref(), Some(&*object.description)];
        texts.into_iter().flatten().find(|text| self.is_text(text))
    }
}

/// Whether a text is this one, alone or with more words.
fn is_or_begins(text: &str, with: &str) -> bool {
    let rest = text.strip_prefix(with);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}
