//! The protocol's messages, read as Go's `encoding/json` reads them.
//!
//! Keys match in any case, the last of several wins, `null` leaves a field as it
//! is, absent fields are zero, and unknown fields are skipped. Two rules are
//! stricter than Go's: nothing may follow the one object, and all of the body
//! must be UTF-8, including escapes and what is skipped.

use super::{pool_id, pool_request, preferred_address, released_address};
use ipam_api::{AddressRequest, Code, Error, Options, PoolId, PoolRequest};
use serde::{
    Deserialize,
    de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor},
};
use std::{borrow::Cow, fmt, marker::PhantomData, net::IpAddr};

/// Reads the body of `/IpamDriver.RequestPool`.
///
/// # Errors
/// `invalid-request` for what is no such message, else as
/// [`pool_request`].
pub fn read_request_pool(body: &[u8]) -> Result<PoolRequest, Error> {
    let RequestPool { address_space, pool, sub_pool, options, v6 } = read(body)?;
    pool_request(&address_space, &pool, &sub_pool, options, v6)
}

/// Reads the body of `/IpamDriver.ReleasePool`.
///
/// # Errors
/// `invalid-request` for what is no such message, a bad request for an id that
/// no pool can have.
pub fn read_release_pool(body: &[u8]) -> Result<PoolId, Error> {
    let ReleasePool { pool_id: id } = read(body)?;
    pool_id(&id)
}

/// Reads the body of `/IpamDriver.RequestAddress`.
///
/// # Errors
/// `invalid-request` for what is no such message or no address, a bad request
/// for an id that no pool can have.
pub fn read_request_address(body: &[u8]) -> Result<AddressRequest, Error> {
    let RequestAddress { pool_id: id, address, options } = read(body)?;
    let (pool_id, address) = (pool_id(&id)?, preferred_address(&address)?);
    Ok(AddressRequest { pool_id, address, options })
}

/// Reads the body of `/IpamDriver.ReleaseAddress`.
///
/// # Errors
/// `invalid-request` for what is no such message or no address, a bad request
/// for an id that no pool can have.
pub fn read_release_address(body: &[u8]) -> Result<(PoolId, IpAddr), Error> {
    let ReleaseAddress { pool_id: id, address } = read(body)?;
    Ok((pool_id(&id)?, released_address(&address)?))
}

/// Reads one object.
///
/// Docker sends a request whose connection broke again, with an empty body. That
/// must never count as an object of zero fields.
fn read<'de, M: Message<'de>>(body: &'de [u8]) -> Result<M, Error> {
    let wrong = |text: String| Error::new(Code::InvalidRequest, text);
    if body.trim_ascii().is_empty() {
        return Err(wrong("empty request body".to_owned()));
    }
    // All of the body is checked, also what is skipped: text that is not valid is
    // refused, whatever its key is.
    let body = std::str::from_utf8(body).map_err(|error| wrong(error.to_string()))?;
    if has_lone_surrogate(body) {
        return Err(wrong("half of a surrogate pair is no character".to_owned()));
    }
    let mut json = serde_json::Deserializer::from_str(body);
    json.deserialize_map(Object(PhantomData))
        .and_then(|message| json.end().map(|()| message))
        .map_err(|error| wrong(error.to_string()))
}

/// Whether an escape is half a surrogate pair, which Go would replace. A backslash
/// outside of a string is no JSON, and the parser checks the other escapes.
fn has_lone_surrogate(json: &str) -> bool {
    let unit = |text: &str| {
        let digits = text.strip_prefix("\\u").and_then(|rest| rest.get(..4));
        digits.and_then(|digits| u16::from_str_radix(digits, 16).ok())
    };
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        rest = &rest[at..];
        let length = match unit(rest) {
            Some(0xD800..=0xDBFF) => match unit(&rest[6..]) {
                Some(0xDC00..=0xDFFF) => 12,
                _ => return true,
            },
            Some(0xDC00..=0xDFFF) => return true,
            Some(_) => 6,
            // One backslash and one character.
            None => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        };
        rest = &rest[length..];
    }
    false
}

/// An object whose keys match in any case.
trait Message<'de>: Default {
    /// Reads the value of `key` into its field. Returns `false`, and reads nothing,
    /// when there is no such field.
    fn field<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error>;
}

#[derive(Default)]
struct RequestPool<'de> {
    address_space: Cow<'de, str>,
    pool: Cow<'de, str>,
    sub_pool: Cow<'de, str>,
    options: Options,
    v6: bool,
}

impl<'de> Message<'de> for RequestPool<'de> {
    fn field<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        Ok(take("AddressSpace", key, &mut self.address_space, map)?
            || take("Pool", key, &mut self.pool, map)?
            || take("SubPool", key, &mut self.sub_pool, map)?
            || take("Options", key, &mut self.options, map)?
            || take("V6", key, &mut self.v6, map)?)
    }
}

#[derive(Default)]
struct ReleasePool<'de> {
    pool_id: Cow<'de, str>,
}

impl<'de> Message<'de> for ReleasePool<'de> {
    fn field<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        take("PoolID", key, &mut self.pool_id, map)
    }
}

#[derive(Default)]
struct RequestAddress<'de> {
    pool_id: Cow<'de, str>,
    address: Cow<'de, str>,
    options: Options,
}

impl<'de> Message<'de> for RequestAddress<'de> {
    fn field<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        Ok(take("PoolID", key, &mut self.pool_id, map)?
            || take("Address", key, &mut self.address, map)?
            || take("Options", key, &mut self.options, map)?)
    }
}

#[derive(Default)]
struct ReleaseAddress<'de> {
    pool_id: Cow<'de, str>,
    address: Cow<'de, str>,
}

impl<'de> Message<'de> for ReleaseAddress<'de> {
    fn field<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        Ok(take("PoolID", key, &mut self.pool_id, map)?
            || take("Address", key, &mut self.address, map)?)
    }
}

/// Reads the next value into `field` if `key` is its `name`.
fn take<'de, F: Field<'de>, A: MapAccess<'de>>(
    name: &str,
    key: &str,
    field: &mut F,
    map: &mut A,
) -> Result<bool, A::Error> {
    if !key.eq_ignore_ascii_case(name) {
        return Ok(false);
    }
    let value = map.next_value::<Option<F::Value>>();
    // Without the field's name, "expected a string" would not help.
    field.set(value.map_err(|error| A::Error::custom(format_args!("{name}: {error}")))?);
    Ok(true)
}

/// How a field takes the value that was read for it.
trait Field<'de> {
    type Value: Deserialize<'de>;

    fn set(&mut self, value: Option<Self::Value>);
}

impl<'de> Field<'de> for Cow<'de, str> {
    type Value = Text<'de>;

    fn set(&mut self, value: Option<Text<'de>>) {
        if let Some(Text(text)) = value {
            *self = text;
        }
    }
}

impl Field<'_> for bool {
    type Value = bool;

    fn set(&mut self, value: Option<bool>) {
        *self = value.unwrap_or(*self);
    }
}

impl Field<'_> for Options {
    type Value = std::collections::BTreeMap<String, Option<String>>;

    /// Go empties a map for `null`, and adds the entries of an object to it.
    fn set(&mut self, value: Option<Self::Value>) {
        match value {
            None => self.clear(),
            Some(pairs) => {
                self.extend(pairs.into_iter().map(|(key, text)| (key, text.unwrap_or_default())));
            }
        }
    }
}

/// A string, borrowed from the body unless it has escapes.
struct Text<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'de> Visitor<'de> for Visit {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Visit)
    }
}

struct Object<M>(PhantomData<M>);

impl<'de, M: Message<'de>> Visitor<'de> for Object<M> {
    type Value = M;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<M, A::Error> {
        let mut message = M::default();
        while let Some(Text(key)) = map.next_key()? {
            if !message.field(&key, &mut map)? {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(message)
    }
}
