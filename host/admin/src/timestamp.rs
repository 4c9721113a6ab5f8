//! A moment as people and programs write it.

use ipam_ledger::Time;
use jiff::{Span, civil, tz::TimeZone};
use serde::{Deserialize, Serialize, de, ser};
use std::{fmt, str::FromStr};

/// A moment: written as RFC 3339 in UTC, with milliseconds.
///
/// ```
/// use ipam_admin::Timestamp;
///
/// let moment: Timestamp = "2026-11-24T12:00:00.25Z".parse().unwrap();
/// assert_eq!(moment.to_string(), "2026-11-24T12:00:00.250Z");
/// assert_eq!("2026-11-24T13:00:00.25+01:00".parse(), Ok(moment));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub Time);

/// A text that is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a time such as 2026-11-24T12:00:00Z, \"2026-11-24 12:00\", 2026-11-24 (all UTC) or \"2h ago\""
)]
pub struct NotATimestamp;

impl Timestamp {
    /// By this machine's clock.
    pub(crate) fn now() -> Self {
        let ms = u64::try_from(jiff::Timestamp::now().as_millisecond());
        Self(Time(ms.unwrap_or_default()))
    }

    /// Nothing, if it is not known.
    #[must_use]
    pub fn known(time: Time) -> Option<Self> {
        (time != Time::default()).then_some(Self(time))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.0.0).unwrap_or(i64::MAX);
        // Beyond the year 9999 only a clock that is wrong leads.
        let at = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{at:.3}")
    }
}

impl FromStr for Timestamp {
    type Err = NotATimestamp;

    /// Reads RFC 3339; a date, or a date and a time, in UTC; or how long ago,
    /// as in `now`, `2h ago` or `3 days ago`.
    fn from_str(text: &str) -> Result<Self, NotATimestamp> {
        let utc = |at: civil::DateTime| {
            at.to_zoned_datetime(TimeZone::UTC).map(|zoned| zoned.timestamp())
        };
        let ago = || {
            let ago = if text == "now" { Some("0s") } else { text.strip_suffix(" ago") };
            let span: Span = ago.and_then(|ago| ago.parse().ok())?;
            let now = jiff::Timestamp::now().to_zoned_datetime(TimeZone::UTC);
            Some(now.checked_sub(span).ok()?.timestamp())
        };
        let at = text
            .parse::<jiff::Timestamp>()
            .ok()
            .or_else(|| text.parse().ok().and_then(|at| utc(at).ok()))
            .or_else(ago)
            .ok_or(NotATimestamp)?;
        u64::try_from(at.as_millisecond()).map(|ms| Self(Time(ms))).map_err(|_| NotATimestamp)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: ser::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{NotATimestamp, Timestamp};
    use ipam_ledger::Time;

    #[test]
    fn what_people_write() {
        for (text, ms) in [
            ("1970-01-01T00:00:01Z", 1000),
            ("1970-01-01T01:00:01.5+01:00", 1500),
            ("1970-01-02", 86_400_000),
            ("1970-01-01 00:01", 60_000),
            ("1970-01-01T00:01:00", 60_000),
        ] {
            assert_eq!(text.parse(), Ok(Timestamp(Time(ms))), "{text}");
        }
        for text in ["", "10", "1969-12-31T00:00:00Z", "2026-13-01", "ago", "99y", "-1"] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotATimestamp), "{text}");
        }
    }

    #[test]
    fn what_is_ago_is_before_now() {
        let [days, hour, now]: [Timestamp; 3] =
            ["2 days ago", "1h ago", "now"].map(|text| text.parse().unwrap());
        assert!(now.0.0 - hour.0.0 >= 3_600_000 && now.0.0 - hour.0.0 < 3_700_000);
        assert!(now.0.0 - days.0.0 >= 2 * 86_400_000);
    }

    #[test]
    fn what_is_written_is_read_again() {
        for ms in [0, 1, 1_764_000_000_123] {
            let moment = Timestamp(Time(ms));
            assert_eq!(moment.to_string().parse(), Ok(moment), "{moment}");
        }
        assert_eq!(Timestamp(Time(u64::MAX)).to_string(), "9999-12-30T22:00:00.999Z");
    }
}
