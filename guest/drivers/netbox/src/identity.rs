//! Whose an object of NetBox is: what this host made is known by a text in it.

use crate::{
    api::{Object, Of},
    policy::DESCRIPTION_CHARACTERS_MAX,
};

/// What every object that a host's driver made begins with, before the host's name.
const DRIVER: &str = "wipam driver=netbox host=";

/// What a gateway's text ends with.
pub(crate) const GATEWAY: &str = "gateway";

/// Who this host is in NetBox.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) host: String,
}

impl Identity {
    /// The text of a prefix of ours, or of an address of ours in that pool.
    pub(crate) fn text(&self, pool: Option<&str>) -> String {
        let text = format!("{DRIVER}{}", self.host);
        pool.map_or_else(|| text.clone(), |pool| format!("{text} pool={pool}"))
    }

    /// Whether the object is of this host, and of that pool if one is given. A
    /// description counts also where a field has been configured since.
    pub(crate) fn is_ours(&self, object: &Object, pool: Option<&str>) -> bool {
        let text = self.text(pool);
        is_or_begins(&object.description, &text)
            || object.identity.as_deref().is_some_and(|field| is_or_begins(field, &text))
    }

    /// Whether the object's description says that it is of this host.
    pub(crate) fn is_described(&self, object: &Object) -> bool {
        is_or_begins(&object.description, &self.text(None))
    }
}

/// Whether a text is this one, alone or with more words.
fn is_or_begins(text: &str, with: &str) -> bool {
    let rest = text.strip_prefix(with);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// Whether the driver of any host made it.
pub(crate) fn is_any_hosts(object: &Object) -> bool {
    text_of(object).is_some()
}

/// Whether it is a gateway that the driver of any host made.
pub(crate) fn is_any_hosts_gateway(object: &Object) -> bool {
    // A container may be called gateway, but then it is `for=gateway`.
    let words = |text: &str| text.split(' ').skip(3).map(str::to_owned).collect::<Vec<_>>();
    text_of(object).map(words).is_some_and(|words| match &words[..] {
        [pool, last] => pool.starts_with("pool=") && last == GATEWAY,
        _ => false,
    })
}

/// What an object of ours says when it is handed over to the host that made `other`, an
/// address: a prefix, or the gateway of its pool. Nothing if no host's driver made that.
pub(crate) fn text_of_heir(other: &Object, of: Of) -> Option<String> {
    let mut words: Vec<&str> = text_of(other)?.split(' ').take(4).collect();
    match of {
        Of::Prefixes => words.truncate(3),
        Of::Addresses => words.push(GATEWAY),
    }
    // Somebody may have written more than we would.
    Some(words.join(" ").chars().take(DESCRIPTION_CHARACTERS_MAX).collect())
}

/// The id of the prefix of an address's pool, where the pool has IP ranges.
pub(crate) fn prefix_of_ranges(object: &Object) -> Option<u64> {
    let mut words = text_of(object)?.split(' ');
    words.find_map(|word| word.strip_prefix("pool="))?.split_once('-')?.0.parse().ok()
}

fn text_of(object: &Object) -> Option<&str> {
    let texts = [object.identity.as_deref(), Some(&*object.description)];
    texts.into_iter().flatten().find(|text| is_text(text))
}

/// Whether the driver of a host wrote it.
pub(crate) fn is_text(text: &str) -> bool {
    text.starts_with(DRIVER)
}
