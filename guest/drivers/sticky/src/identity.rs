//! What identifies the client that an address is for, as far as the request says it.

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::Write as _;
use ipam_driver::{AddressRequest, Error};
use ipam_pools::{Config, PoolName, refusal};

/// In order: a name that only Wipam's own callers give, one that engines give
/// from Docker 29 on and that stays, and one that engines make up for each
/// container that was not given one.
const DEFAULT: [&str; 3] = ["owner", ENDPOINT, MAC];
const ENDPOINT: &str = "endpoint";
const MAC: &str = "mac";

/// The longest name of a client or an option, in bytes. A longer one identifies nobody.
const NAME_BYTES_MAX: usize = 255;

/// The counter never gets there: a larger number in the store was not written by it.
const MOMENT_MAX: u64 = u64::MAX / 2;

/// What an address is reserved to: one client in one network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    /// The pool that it asks for addresses from.
    pub(crate) pool: PoolName,
    /// What identifies it: a key of the configuration.
    pub(crate) kind: String,
    /// Its name, by that key.
    pub(crate) name: String,
}

/// The keys of a request that identify a client, the best first.
#[derive(Debug)]
pub(crate) struct Keys(Vec<String>);

impl Keys {
    /// Takes the operator's keys out of the table.
    pub(crate) fn take(config: &mut Config) -> Result<Self, Error> {
        let keys: Vec<String> = match config.take("key")? {
            Some(keys) => keys,
            None => DEFAULT.map(str::to_owned).into(),
        };
        let is_word = |key: &String| {
            (1..=NAME_BYTES_MAX).contains(&key.len()) && !key.contains(char::is_whitespace)
        };
        match keys.iter().find(|key| !is_word(key)) {
            Some(key) => Err(refusal(format!("config: key: {key:?} is not the name of an option"))),
            None if keys.is_empty() => {
                Err(refusal("config: key: it is empty, so no client could be identified"))
            }
            None => Ok(Self(keys)),
        }
    }

    /// The keys of a whole table.
    pub(crate) fn of(config: &str) -> Result<Self, Error> {
        Self::take(&mut Config::parse(config)?)
    }

    /// Whether MAC addresses are looked at.
    pub(crate) fn has_mac_address(&self) -> bool {
        self.0.iter().any(|key| key == MAC)
    }

    /// Who asks. A gateway has no identity, nor has a client whose name is empty or too long.
    pub(crate) fn identity(&self, pool: PoolName, request: &AddressRequest) -> Option<Identity> {
        if request.is_gateway() {
            return None;
        }
        self.0.iter().find_map(|kind| {
            let name = match kind.as_str() {
                MAC => normal(request.mac_address()?),
                ENDPOINT => request.endpoint_name()?.to_owned(),
                option => request.options.get(option)?.clone(),
            };
            let is_name = (1..=NAME_BYTES_MAX).contains(&name.len());
            is_name.then(|| Identity { pool, kind: kind.clone(), name })
        })
    }
}

/// A MAC address in one form; anything else as it is.
fn normal(text: &str) -> String {
    let octets = text.split([':', '-']).map(|octet| match octet.len() {
        1 | 2 if !octet.starts_with('+') => u8::from_str_radix(octet, 16).ok(),
        _ => None,
    });
    match octets.collect::<Option<Vec<u8>>>() {
        Some(octets) if octets.len() == 6 => {
            let mut mac = String::new();
            for octet in octets {
                let colon = if mac.is_empty() { "" } else { ":" };
                // Writing to a text cannot fail.
                let _ = write!(mac, "{colon}{octet:02x}");
            }
            mac
        }
        _ => text.to_owned(),
    }
}

/// The value of a reservation in the store, as words that people can read; address and
/// pool are its key. All values of one identity have one length.
pub(crate) fn write(identity: &Identity, moment: u64) -> String {
    let sub_pool =
        identity.pool.sub_pool.map_or_else(|| "-".to_owned(), |sub_pool| sub_pool.to_string());
    format!("{moment:020} {sub_pool} {} {}", identity.kind, identity.name)
}

/// What [`write`] wrote of an address of that pool.
pub(crate) fn read(parent: PoolName, text: &[u8]) -> Option<(Identity, u64)> {
    let mut words = str::from_utf8(text).ok()?.splitn(4, ' ');
    let moment = words.next()?.parse().ok().filter(|moment| *moment < MOMENT_MAX)?;
    let sub_pool = match words.next()? {
        "-" => None,
        sub_pool => Some(sub_pool.parse().ok()?),
    };
    let [kind, name] = [words.next()?, words.next()?].map(str::to_owned);
    Some((Identity { pool: PoolName { sub_pool, ..parent }, kind, name }, moment))
}

#[cfg(test)]
mod tests {
    use super::{Identity, Keys, normal, read, write};
    use ipam_driver::{AddressRequest, names};
    use ipam_pools::PoolName;

    fn pool() -> PoolName {
        PoolName::parse("LocalDefault/10.0.0.0/8/10.1.0.0/16").unwrap()
    }

    #[track_caller]
    fn check(config: &str, options: &[(&str, &str)], want: Option<(&str, &str)>) {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let request = AddressRequest { pool_id: String::new(), address: None, options };
        let identity = Keys::of(config).unwrap().identity(pool(), &request);
        let got =
            identity.as_ref().map(|identity| (identity.kind.as_str(), identity.name.as_str()));
        assert_eq!(got, want, "{config} {:?}", request.options);
    }

    #[test]
    fn the_first_key_that_a_request_has_is_who_asks() {
        let mac = (names::MAC_ADDRESS, "02-42-AC-11-0-2");
        let endpoint = (names::ENDPOINT_NAME, "web");
        let owner = ("owner", "0a1b/eth0");
        check("{}", &[mac, endpoint, owner], Some(("owner", "0a1b/eth0")));
        check("{}", &[mac, endpoint], Some(("endpoint", "web")));
        check("{}", &[mac], Some(("mac", "02:42:ac:11:00:02")));
        check("{}", &[], None);
        check(r#"{"key": ["mac", "rack"]}"#, &[mac, endpoint], Some(("mac", "02:42:ac:11:00:02")));
        check(r#"{"key": ["mac", "rack"]}"#, &[("rack", "r 7")], Some(("rack", "r 7")));
        check(r#"{"key": ["rack"]}"#, &[mac, endpoint, owner], None);
    }

    #[test]
    fn a_gateway_has_no_identity_nor_has_a_client_without_a_name_or_with_a_very_long_one() {
        let gateway = (names::REQUEST_ADDRESS_TYPE, names::GATEWAY);
        check("{}", &[(names::ENDPOINT_NAME, "web"), gateway], None);
        check("{}", &[(names::ENDPOINT_NAME, "")], None);
        check("{}", &[(names::ENDPOINT_NAME, &"x".repeat(256))], None);
        let longest = "x".repeat(255);
        check("{}", &[(names::ENDPOINT_NAME, &longest)], Some(("endpoint", &longest)));
        // The next best name is one.
        check("{}", &[("owner", ""), (names::ENDPOINT_NAME, "web")], Some(("endpoint", "web")));
    }

    #[test]
    fn keys_that_cannot_be_meant_are_refused() {
        for (config, words) in [
            (r#"{"key": []}"#, "it is empty, so no client could be identified"),
            (r#"{"key": ["a b"]}"#, r#""a b" is not the name of an option"#),
            (r#"{"key": [""]}"#, r#""" is not the name of an option"#),
            (r#"{"key": "mac"}"#, "config: key: invalid type"),
        ] {
            let refused = Keys::of(config).unwrap_err();
            assert!(refused.text().contains(words), "{config}: {refused}");
        }
    }

    #[test]
    fn what_is_no_mac_address_is_taken_as_it_is() {
        for text in ["", "02:42", "02:42:ac:11:00:02:03:04", "02:42:ac:11:00:xx", "+2:42:ac:11:0:2"]
        {
            assert_eq!(normal(text), text);
        }
    }

    #[test]
    fn a_reservation_survives_the_round_trip() {
        for (pool, name) in [(pool(), "a name with  spaces "), (pool().parent(), "web")] {
            let identity = Identity { pool, kind: "owner".into(), name: name.into() };
            let text = write(&identity, 7);
            assert_eq!(text.len(), write(&identity, u64::MAX).len());
            assert_eq!(read(pool.parent(), text.as_bytes()), Some((identity, 7)));
        }
        for text in [
            "",
            "7",
            "7 - owner",
            "x - owner web",
            "7 x owner web",
            "9999999999999999999 - owner web",
        ] {
            assert_eq!(read(pool(), text.as_bytes()), None, "{text}");
        }
        assert_eq!(read(pool(), b"7 - owner \xff"), None);
    }
}
