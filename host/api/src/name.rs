//! Names that were checked: of a driver, of a pool.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

/// The longest pool id, in bytes.
pub const POOL_ID_MAX_BYTES: usize = 256;
/// The longest driver name, in characters.
const DRIVER_NAME_MAX: usize = 64;

/// The name of a driver: `[A-Za-z0-9][A-Za-z0-9_.-]{0,63}`. Safe as the name
/// of a file.
///
/// ```
/// use ipam_api::DriverName;
///
/// assert!("lab-2.v1_x".parse::<DriverName>().is_ok());
/// assert!("../../etc/x".parse::<DriverName>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DriverName(Arc<str>);

/// A name that no driver can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a driver's name is 1 to 64 of A-Z a-z 0-9 _ . - and starts with a letter or a digit")]
pub struct InvalidDriverName;

impl DriverName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DriverName {
    type Err = InvalidDriverName;

    fn from_str(text: &str) -> Result<Self, InvalidDriverName> {
        let fits = text.len() <= DRIVER_NAME_MAX
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        if fits { Ok(Self(text.into())) } else { Err(InvalidDriverName) }
    }
}

impl fmt::Display for DriverName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for DriverName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A driver's own name for a pool: opaque, 1 to [`POOL_ID_MAX_BYTES`] bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolId(Arc<str>);

/// A text that no pool id can be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a pool id has 1 to {POOL_ID_MAX_BYTES} bytes, not {bytes}")]
pub struct InvalidPoolId {
    /// How many it had.
    pub bytes: usize,
}

impl PoolId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for PoolId {
    type Error = InvalidPoolId;

    fn try_from(text: &str) -> Result<Self, InvalidPoolId> {
        match text.len() {
            1..=POOL_ID_MAX_BYTES => Ok(Self(text.into())),
            bytes => Err(InvalidPoolId { bytes }),
        }
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for PoolId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// As its text in quotes: errors and logs show it to people.
impl fmt::Debug for DriverName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// As its text in quotes: errors and logs show it to people.
impl fmt::Debug for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{DriverName, POOL_ID_MAX_BYTES, PoolId};

    #[test]
    fn driver_names_are_safe_file_names() {
        let longest = "a".repeat(64);
        for good in ["a", "0", "lab", "my.driver_2-x", &longest] {
            assert!(good.parse::<DriverName>().is_ok(), "{good}");
        }
        let too_long = "a".repeat(65);
        for bad in ["", ".", "..", "-x", "_x", "a/b", "a b", "a\0", "ä", " a", &too_long] {
            assert!(bad.parse::<DriverName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn pool_ids_are_opaque_but_bounded() {
        assert!(PoolId::try_from("any / thing ☃").is_ok());
        assert!(PoolId::try_from("").is_err());
        assert!(PoolId::try_from("x".repeat(POOL_ID_MAX_BYTES).as_str()).is_ok());
        assert!(PoolId::try_from("x".repeat(POOL_ID_MAX_BYTES + 1).as_str()).is_err());
    }
}
