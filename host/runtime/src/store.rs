//! What a driver has stored, and what the call under way changes of it.

use crate::{StoreLimits, bindings::store, bindings::types, convert, imports::State};
use ipam_api::{Code, Error, Kind, Stored, Writes};
use std::{
    mem,
    ops::Bound::{Excluded, Included, Unbounded},
    sync::Arc,
};

/// The longest key, in bytes.
const KEY_BYTES_MAX: usize = 256;

/// The store of one instance: what is stored, and over it what the call under
/// way writes. Whoever takes that makes it durable; what is not taken is
/// forgotten when the next call begins.
pub(crate) struct Overlay {
    below: Arc<Stored>,
    writes: Writes,
    limits: StoreLimits,
    /// Bytes that one list of keys may have.
    list_bytes: usize,
    /// Of both together, and of what is below alone.
    size: Size,
    size_below: Size,
    /// Whether this is a call that may write.
    is_open: bool,
}

/// How much there is of something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    bytes: usize,
    keys: usize,
}

impl Size {
    fn of(key: &str, value: Option<&[u8]>) -> Self {
        value.map_or(Self::default(), |value| Self { bytes: key.len() + value.len(), keys: 1 })
    }

    fn changed(self, from: Self, to: Self) -> Self {
        Self { bytes: self.bytes - from.bytes + to.bytes, keys: self.keys - from.keys + to.keys }
    }
}

impl Overlay {
    /// The store of a driver that was granted one; of any other it is empty,
    /// stays so, and cannot be reached.
    pub(crate) fn new(
        stored: &Arc<Stored>,
        granted: Option<StoreLimits>,
        list_bytes: usize,
    ) -> Self {
        let below = granted.map(|_| stored.clone()).unwrap_or_default();
        let limits = granted.unwrap_or(StoreLimits { bytes_max: 0, keys_max: 0 });
        let bytes = below.iter().map(|(key, value)| key.len() + value.len()).sum();
        let size = Size { bytes, keys: below.len() };
        let writes = Writes::new();
        Self { below, writes, limits, list_bytes, size, size_below: size, is_open: false }
    }

    /// A call begins that may write.
    pub(crate) fn open(&mut self) {
        self.forget();
        self.is_open = true;
    }

    /// The call is over; what it wrote stands if it made a proposal.
    pub(crate) fn close(&mut self, stands: bool) {
        self.is_open = false;
        if !stands {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.writes.clear();
        self.size = self.size_below;
    }

    /// What the last call wrote is stored from here on.
    pub(crate) fn take(&mut self) -> Writes {
        let writes = mem::take(&mut self.writes);
        if !writes.is_empty() {
            let below = Arc::make_mut(&mut self.below);
            for (key, value) in &writes {
                match value {
                    Some(value) => drop(below.insert(key.clone(), value.clone())),
                    None => drop(below.remove(key)),
                }
            }
            self.size_below = self.size;
        }
        writes
    }

    fn value(&self, key: &str) -> Option<&[u8]> {
        match self.writes.get(key) {
            Some(written) => written.as_deref(),
            None => self.below.get(key).map(Vec::as_slice),
        }
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        check(key)?;
        Ok(self.value(key).map(<[u8]>::to_vec))
    }

    fn write(&mut self, key: String, value: Option<Vec<u8>>) -> Result<(), Error> {
        check(&key)?;
        if !self.is_open {
            let text = "a driver stores while it is asked for something or told of a release";
            return Err(Error::other(Kind::Forbidden, text));
        }
        let (before, after) = (self.value(&key), value.as_deref());
        let size = self.size.changed(Size::of(&key, before), Size::of(&key, after));
        let StoreLimits { bytes_max, keys_max } = self.limits;
        if value.is_some() && (size.bytes > bytes_max || size.keys > keys_max) {
            let text = format!("the store has room for {bytes_max} bytes in {keys_max} keys");
            return Err(Error::other(Kind::Unavailable, text));
        }
        self.size = size;
        if value.is_some() || self.below.contains_key(&key) {
            self.writes.insert(key, value);
        } else {
            self.writes.remove(&key);
        }
        Ok(())
    }

    /// As many as were asked for, or as fit into an answer, and at least one
    /// if there is one.
    fn list_keys(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let from = match after {
            Some(after) if after >= prefix => Excluded(after),
            Some(_) | None => Included(prefix),
        };
        let starts = |key: &&String| key.starts_with(prefix);
        let below = self.below.range::<str, _>((from, Unbounded)).map(|(key, _)| key);
        let below = below.take_while(starts).filter(|key| !self.writes.contains_key(*key));
        let written = self.writes.range::<str, _>((from, Unbounded));
        let written = written.take_while(|(key, _)| starts(key));
        let written = written.filter_map(|(key, value)| value.as_ref().map(|_| key));
        let mut keys: Vec<&String> = below.take(limit).chain(written.take(limit)).collect();
        keys.sort_unstable();
        keys.truncate(limit);
        let mut bytes = 0;
        let fits = |key: &&String| {
            let is_first = bytes == 0;
            bytes += key.len();
            is_first || bytes <= self.list_bytes
        };
        keys.into_iter().take_while(fits).cloned().collect()
    }
}

fn check(key: &str) -> Result<(), Error> {
    if (1..=KEY_BYTES_MAX).contains(&key.len()) {
        return Ok(());
    }
    Err(Error::new(Code::InvalidRequest, format!("a key has 1 to {KEY_BYTES_MAX} bytes")))
}

impl store::Host for State {
    fn get(&mut self, key: String) -> Result<Option<Vec<u8>>, types::Error> {
        self.overlay.get(&key).map_err(|error| convert::error_to_guest(&error))
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), types::Error> {
        self.overlay.write(key, Some(value)).map_err(|error| convert::error_to_guest(&error))
    }

    fn delete(&mut self, key: String) -> Result<(), types::Error> {
        self.overlay.write(key, None).map_err(|error| convert::error_to_guest(&error))
    }

    fn list_keys(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<String>, types::Error> {
        Ok(self.overlay.list_keys(&prefix, after.as_deref(), limit))
    }
}

#[cfg(test)]
mod tests {
    use super::{Overlay, Size};
    use crate::StoreLimits;
    use ipam_api::{Error, Kind, Stored};
    use std::sync::Arc;

    fn stored(keys: &[&str]) -> Arc<Stored> {
        Arc::new(keys.iter().map(|key| ((*key).to_owned(), b"1".to_vec())).collect())
    }

    fn overlay(keys: &[&str], bytes_max: usize, keys_max: usize) -> Overlay {
        let mut overlay =
            Overlay::new(&stored(keys), Some(StoreLimits { bytes_max, keys_max }), 1 << 20);
        overlay.open();
        overlay
    }

    fn set(overlay: &mut Overlay, key: &str, value: &str) -> Result<(), Kind> {
        let written = overlay.write(key.to_owned(), Some(value.as_bytes().to_vec()));
        written.map_err(|error: Error| error.kind())
    }

    fn delete(overlay: &mut Overlay, key: &str) {
        overlay.write(key.to_owned(), None).unwrap();
    }

    #[test]
    fn bytes_and_keys_are_counted_and_nothing_changes_beyond_them() {
        let mut overlay = overlay(&["a"], 8, 3);
        assert_eq!(set(&mut overlay, "a", "12345678"), Err(Kind::Unavailable));
        assert_eq!(overlay.get("a").unwrap().unwrap(), b"1", "as it was");
        assert_eq!(set(&mut overlay, "a", "1234567"), Ok(()));
        assert_eq!(set(&mut overlay, "b", ""), Err(Kind::Unavailable), "no byte is left");
        assert_eq!(set(&mut overlay, "a", ""), Ok(()));
        assert_eq!(set(&mut overlay, "b", ""), Ok(()));
        assert_eq!(set(&mut overlay, "c", ""), Ok(()));
        assert_eq!(set(&mut overlay, "d", ""), Err(Kind::Unavailable), "no key is left");
        assert_eq!(set(&mut overlay, "c", "12345"), Ok(()));
        assert_eq!(set(&mut overlay, "c", "123456"), Err(Kind::Unavailable));
        delete(&mut overlay, "c");
        assert_eq!(set(&mut overlay, "d", "12345"), Ok(()));
        assert_eq!(overlay.size, Size { bytes: 8, keys: 3 });
    }

    #[test]
    fn who_has_more_than_is_granted_now_may_delete() {
        let mut overlay = overlay(&["a", "b"], 1, 1);
        assert_eq!(set(&mut overlay, "a", ""), Err(Kind::Unavailable));
        delete(&mut overlay, "a");
        delete(&mut overlay, "b");
        assert_eq!(set(&mut overlay, "a", ""), Ok(()));
    }

    #[test]
    fn what_does_not_stand_is_forgotten_with_its_size() {
        let mut overlay = overlay(&["a"], 8, 2);
        for stands in [false, true] {
            set(&mut overlay, "b", "12345").unwrap();
            delete(&mut overlay, "a");
            overlay.close(stands);
            // Not taken.
            overlay.open();
            assert_eq!((overlay.get("a").unwrap().unwrap(), overlay.size.bytes), (vec![b'1'], 2));
            assert!(overlay.get("b").unwrap().is_none() && overlay.take().is_empty());
        }
        set(&mut overlay, "b", "12345").unwrap();
        overlay.close(true);
        assert_eq!(overlay.take().len(), 1);
        overlay.open();
        assert_eq!(
            (overlay.get("b").unwrap().unwrap(), overlay.size.bytes),
            (b"12345".to_vec(), 8)
        );
        assert!(overlay.take().is_empty(), "it is taken once");
    }

    #[test]
    fn what_comes_and_goes_within_a_call_is_no_write() {
        let mut overlay = overlay(&["a"], 8, 2);
        set(&mut overlay, "b", "").unwrap();
        delete(&mut overlay, "b");
        delete(&mut overlay, "c");
        overlay.close(true);
        assert!(overlay.take().is_empty());
    }

    #[test]
    fn keys_have_1_to_256_bytes() {
        let mut overlay = overlay(&[], 1 << 10, 8);
        for (length, is_fine) in [(0, false), (1, true), (256, true), (257, false)] {
            let key = "k".repeat(length);
            assert_eq!(set(&mut overlay, &key, "").is_ok(), is_fine, "{length}");
            assert_eq!(overlay.get(&key).is_ok(), is_fine, "{length}");
            assert_eq!(overlay.write(key, None).is_ok(), is_fine, "{length}");
        }
    }

    #[test]
    fn only_calls_that_may_write_do() {
        let mut overlay = overlay(&["a"], 8, 2);
        overlay.close(true);
        assert_eq!(set(&mut overlay, "a", ""), Err(Kind::Forbidden));
        assert!(overlay.get("a").unwrap().is_some());
        let none = Overlay::new(&stored(&["a"]), None, 8);
        assert!(none.get("a").unwrap().is_none(), "no store was granted");
    }

    #[track_caller]
    fn lists(overlay: &Overlay, prefix: &str, after: Option<&str>, limit: u32, want: &[&str]) {
        assert_eq!(overlay.list_keys(prefix, after, limit), want, "{prefix} {after:?} {limit}");
    }

    #[test]
    fn keys_are_listed_in_order_as_the_call_sees_them() {
        let mut overlay = overlay(&["a", "b1", "b3", "b5", "c"], 100, 10);
        set(&mut overlay, "b2", "").unwrap();
        set(&mut overlay, "b5", "new").unwrap();
        delete(&mut overlay, "b3");
        let all = ["a", "b1", "b2", "b5", "c"];
        lists(&overlay, "", None, u32::MAX, &all);
        lists(&overlay, "b", None, 10, &all[1..4]);
        lists(&overlay, "b", None, 2, &all[1..3]);
        lists(&overlay, "b", Some("b1"), 2, &all[2..4]);
        lists(&overlay, "b", Some("a"), 1, &all[1..2]);
        lists(&overlay, "b", Some("c"), 10, &[]);
        lists(&overlay, "b", None, 0, &[]);
        overlay.list_bytes = 3;
        lists(&overlay, "b", None, 10, &all[1..2]);
        overlay.list_bytes = 0;
        lists(&overlay, "b", Some("b2"), 10, &all[3..4]);
    }
}
