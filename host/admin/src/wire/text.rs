//! Addresses and prefixes in questions, as the host reads them everywhere.

use ipam_api::{parse_address, parse_prefix};
use ipnet::IpNet;
use serde::{Deserialize as _, Deserializer};
use std::net::IpAddr;

pub(super) fn address<'de, D: Deserializer<'de>>(from: D) -> Result<IpAddr, D::Error> {
    read(&String::deserialize(from)?)
}

pub(super) fn prefix<'de, D: Deserializer<'de>>(from: D) -> Result<IpNet, D::Error> {
    let text = String::deserialize(from)?;
    parse_prefix(&text).map_err(|why| serde::de::Error::custom(format_args!("{text:?} {why}")))
}

pub(super) fn optional_address<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<IpAddr>, D::Error> {
    Option::<String>::deserialize(from)?.as_deref().map(read).transpose()
}

fn read<E: serde::de::Error>(text: &str) -> Result<IpAddr, E> {
    parse_address(text).map_err(|why| E::custom(format_args!("{text:?} {why}")))
}

#[cfg(test)]
mod tests {
    use crate::wire::Ask;

    #[test]
    fn addresses_are_asked_for_as_they_are_everywhere() {
        let v4 = "192.0.2.9".parse().unwrap();
        for text in ["192.0.2.9", "::ffff:192.0.2.9"] {
            let question = format!(r#"{{"ask":"history","address":"{text}"}}"#);
            let Ask::History { address, .. } = serde_json::from_str(&question).unwrap() else {
                panic!("{question}");
            };
            assert_eq!(address, v4);
            let question = question.replace("history", "addresses");
            let Ask::Addresses { address, .. } = serde_json::from_str(&question).unwrap() else {
                panic!("{question}");
            };
            assert_eq!(address, Some(v4));
        }
        for question in [r#"{"ask":"addresses"}"#, r#"{"ask":"addresses","address":null}"#] {
            let ask = Ask::Addresses { driver: None, pool: None, address: None };
            assert_eq!(serde_json::from_str::<Ask>(question).unwrap(), ask);
        }
        for text in ["192.0.2.09", "192.0.2.9/24", ""] {
            let question = format!(r#"{{"ask":"history","address":"{text}"}}"#);
            let refused = serde_json::from_str::<Ask>(&question).unwrap_err().to_string();
            assert!(refused.contains("is not an address"), "{refused}");
        }
    }

    #[test]
    fn prefixes_are_asked_for_as_they_are_everywhere() {
        let question = r#"{"ask":"remove-record","driver":"lab","id":"7","address_space":"lab","pool":"192.0.2.0/24"}"#;
        let Ask::RemoveRecord { pool, address, .. } = serde_json::from_str(question).unwrap()
        else {
            panic!("{question}");
        };
        assert_eq!((pool.to_string().as_str(), address), ("192.0.2.0/24", None));
        for text in ["192.0.2.0", "192.0.2.00/24", "192.0.2.0/33", ""] {
            let question = question.replace("192.0.2.0/24", text);
            assert!(serde_json::from_str::<Ask>(&question).is_err(), "{text}");
        }
    }
}
