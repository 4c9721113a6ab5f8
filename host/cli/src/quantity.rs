//! Times, sizes and counts as the configuration has them: `"2s"`, `"16MiB"`, 64.

use serde::Deserialize;
use std::time::Duration;

/// What a limit is measured in.
pub(crate) trait Quantity: Copy + From<u64> {
    /// The most that a limit may be set to, in milliseconds, bytes or pieces.
    const MOST: u64;

    /// From the least to the most, as an operator writes them.
    fn range() -> String;
}

/// A number of pieces, at most `MOST` of them.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
pub(crate) struct Count<const MOST: u64>(u64);

/// A number of bytes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "toml::Value")]
pub(crate) struct Size(u64);

/// A number of milliseconds.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "toml::Value")]
pub(crate) struct Time(u64);

impl<const MOST: u64> Quantity for Count<MOST> {
    const MOST: u64 = MOST;

    fn range() -> String {
        format!("1 to {MOST}")
    }
}

impl Quantity for Size {
    const MOST: u64 = 64 << 30;

    fn range() -> String {
        "1B to 64GiB".to_owned()
    }
}

impl Quantity for Time {
    const MOST: u64 = 24 * 60 * 60 * 1000;

    fn range() -> String {
        "1ms to 24h".to_owned()
    }
}

/// A number, if it is neither zero nor more than `most`.
fn within<T: TryFrom<u64>>(number: u64, most: u64) -> Option<T> {
    T::try_from(number).ok().filter(|_| (1..=most).contains(&number))
}

impl<const MOST: u64> Count<MOST> {
    /// The number, if it is within the range.
    pub(crate) fn get<T: TryFrom<u64>>(self) -> Option<T> {
        within(self.0, MOST)
    }
}

impl Size {
    /// The bytes, if they are within the range.
    pub(crate) fn get<T: TryFrom<u64>>(self) -> Option<T> {
        within(self.0, Self::MOST)
    }
}

impl Time {
    /// The time, if it is within the range.
    pub(crate) fn get(self) -> Option<Duration> {
        within(self.0, Self::MOST).map(Duration::from_millis)
    }
}

impl<const MOST: u64> From<u64> for Count<MOST> {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl From<u64> for Size {
    fn from(bytes: u64) -> Self {
        Self(bytes)
    }
}

impl From<u64> for Time {
    fn from(milliseconds: u64) -> Self {
        Self(milliseconds)
    }
}

impl TryFrom<toml::Value> for Size {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        let units = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
        value.as_str().and_then(|text| with_unit(text, &units)).map(Self).ok_or_else(|| {
            format!("{value}: a size has a unit (B, KiB, MiB, GiB), as in \"16MiB\"")
        })
    }
}

impl TryFrom<toml::Value> for Time {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        value
            .as_str()
            .and_then(time)
            .map(Self)
            .ok_or_else(|| format!("{value}: a time has a unit (ms, s, m, h), as in \"2s\""))
    }
}

/// The milliseconds of a time, as an operator writes it.
pub(crate) fn time(text: &str) -> Option<u64> {
    with_unit(text, &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)])
}

/// A whole number with one of the units.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|it: char| !it.is_ascii_digit())?);
    let &(_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(factor)
}
