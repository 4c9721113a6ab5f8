//! Who made a driver's part of the ledger, recorded as a note of the ledger.
//!
//! A driver chooses its name. A file could register the name of another driver
//! and learn, by replay, all that was granted under it: owners, MAC addresses,
//! options. So a part that holds something is given only to its maker, to other
//! versions of that, and to whom the operator says.

use ipam_api::{Digest, DriverName, names};
use ipam_ledger::{State, Store, StoreError};
use std::path::PathBuf;

/// What identifies an entry of the operator's configuration, whatever version of
/// it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Maker {
    /// A built-in driver, by its name in the program.
    BuiltIn(&'static str),
    /// A file that the operator named: it may be any file.
    Named,
    /// A file that names itself, by its path.
    File(PathBuf),
}

/// How the note of a built-in driver begins.
const BUILT_IN: &str = "builtin:";
/// The note of a file that the operator has named.
const NAMED: &str = "named";
/// How the note of another file begins.
const FILE: &str = "file:";

impl Maker {
    /// The text that is recorded.
    fn note(&self) -> String {
        match self {
            Self::BuiltIn(name) => format!("{BUILT_IN}{name}"),
            Self::Named => NAMED.to_owned(),
            Self::File(path) => format!("{FILE}{}", path.display()),
        }
    }

    /// Whether it may have what `made_by` was granted: it is the same, the operator
    /// named it, or it is the same file under another path.
    fn may_have(&self, made_by: &str, is_same_file: bool) -> bool {
        let is_of_a_file = !made_by.starts_with(BUILT_IN);
        self.note() == made_by
            || match self {
                Self::BuiltIn(_) => false,
                Self::Named => is_of_a_file,
                Self::File(_) => is_of_a_file && is_same_file,
            }
    }
}

/// A note, in words.
fn in_words(note: &str) -> String {
    match note.strip_prefix(FILE) {
        Some(path) => path.to_owned(),
        None if note == NAMED => "a file that the operator gave that name".to_owned(),
        None => note.to_owned(),
    }
}

/// The key of the note that says who made a driver's part.
fn key(driver: &DriverName) -> String {
    format!("maker/{driver}")
}

/// Who made a driver's part. Ledgers from before this was recorded have built-in
/// drivers under these names, and files under all others.
fn made_by(store: &mut dyn Store, driver: &DriverName) -> Result<Option<String>, StoreError> {
    Ok(store.note(&key(driver))?.or_else(|| match driver.as_str() {
        name @ (names::DEFAULT_IPAM | names::NULL_IPAM) => Some(format!("{BUILT_IN}{name}")),
        _ => None,
    }))
}

/// Why a driver cannot have a part of the ledger: it is somebody else's.
#[derive(Debug)]
pub(crate) struct NotItsOwn {
    /// Who made that part, in words.
    pub(crate) made_by: String,
    /// Who wants it, in words.
    pub(crate) maker: String,
}

/// Checks that `maker` may have a driver's part of the ledger.
pub(crate) fn check(
    store: &mut dyn Store,
    maker: &Maker,
    digest: Option<Digest>,
    driver: &DriverName,
    state: &State,
) -> Result<Result<(), NotItsOwn>, StoreError> {
    let is_empty =
        state.pools().next().is_none() && state.stored().is_empty() && state.owed().is_empty();
    if is_empty {
        return Ok(Ok(()));
    }
    let served = state.version().and_then(|version| version.digest);
    let is_same_file = digest.is_some() && digest == served;
    Ok(match made_by(store, driver)? {
        Some(made_by) if !maker.may_have(&made_by, is_same_file) => {
            Err(NotItsOwn { made_by: in_words(&made_by), maker: in_words(&maker.note()) })
        }
        Some(_) | None => Ok(()),
    })
}

/// Records who has a driver's part from now on, if that changed. If it cannot be
/// recorded now, on a full disk, a later start records it.
pub(crate) fn record(store: &mut dyn Store, maker: &Maker, driver: &DriverName) {
    let recorded = made_by(store, driver).and_then(|made_by| match maker.note() {
        note if made_by.as_ref() == Some(&note) => Ok(()),
        note => store.set_note(&key(driver), &note),
    });
    if let Err(error) = recorded {
        tracing::warn!(%driver, %error, "the maker of this driver's part of the ledger is not recorded");
    }
}

#[cfg(test)]
mod tests {
    use super::Maker;

    #[track_caller]
    fn check(maker: &Maker, made_by: &str, want: [bool; 2]) {
        let got = [false, true].map(|is_same_file| maker.may_have(made_by, is_same_file));
        assert_eq!(got, want, "{maker:?} of {made_by}, another file and the same");
    }

    #[test]
    fn a_part_is_handed_to_what_made_it_and_to_whom_the_operator_names() {
        let built_in = Maker::BuiltIn("default");
        check(&built_in, "builtin:default", [true, true]);
        check(&built_in, "builtin:remote", [false, false]);
        check(&built_in, "named", [false, false]);
        check(&built_in, "file:/lab.wasm", [false, false]);
        check(&Maker::Named, "builtin:default", [false, false]);
        check(&Maker::Named, "named", [true, true]);
        check(&Maker::Named, "file:/lab.wasm", [true, true]);
        let file = Maker::File("/lab.wasm".into());
        check(&file, "builtin:default", [false, false]);
        check(&file, "named", [false, true]);
        check(&file, "file:/lab.wasm", [true, true]);
        check(&file, "file:/other.wasm", [false, true]);
    }
}
