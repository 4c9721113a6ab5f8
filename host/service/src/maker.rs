//! Whose part of the ledger a driver's name is: what the operator's entry that
//! made it is known by, kept as a note of the ledger.
//!
//! A name is a claim. A file could register that of another driver and be
//! told, by replay, of all that was granted under it: owners, MAC addresses,
//! options. So a part that holds something is handed to what made it, to its
//! other versions, and to whom the operator says.

use crate::{LoadError, LoadOptions};
use ipam_api::{Digest, DriverName, names};
use ipam_ledger::{State, Store, StoreError};
use std::path::PathBuf;

/// What an entry of the operator's configuration is known by, whatever version
/// of it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Maker {
    /// Part of the program, by its name there.
    BuiltIn(&'static str),
    /// A file of which the operator says what it is called: the name is known,
    /// and the file may be any.
    Named,
    /// A file that calls itself something, by its path.
    File(PathBuf),
}

/// How the note of a built-in driver begins.
const BUILT_IN: &str = "builtin:";
/// The note of a file that the operator has named.
const NAMED: &str = "named";
/// How the note of another file begins.
const FILE: &str = "file:";

impl Maker {
    /// What is noted.
    fn note(&self) -> String {
        match self {
            Self::BuiltIn(name) => format!("{BUILT_IN}{name}"),
            Self::Named => NAMED.to_owned(),
            Self::File(path) => format!("{FILE}{}", path.display()),
        }
    }

    /// Whether it may have what `made_by` was granted: it is that, the operator
    /// has named it, or it is the very file under another path.
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

/// Under which name the ledger notes who made a driver's part.
fn key(driver: &DriverName) -> String {
    format!("maker/{driver}")
}

/// Who made a driver's part. A ledger from before that was noted has what
/// programs then made by themselves under these names, and else is a file's.
fn made_by(store: &mut dyn Store, driver: &DriverName) -> Result<Option<String>, StoreError> {
    Ok(store.note(&key(driver))?.or_else(|| match driver.as_str() {
        name @ (names::DEFAULT_IPAM | names::NULL_IPAM) => Some(format!("{BUILT_IN}{name}")),
        _ => None,
    }))
}

/// Refuses a part of the ledger to whom it is not.
pub(crate) fn check(
    store: &mut dyn Store,
    options: &LoadOptions,
    digest: Option<Digest>,
    driver: &DriverName,
    state: &State,
) -> Result<(), LoadError> {
    let holds_something =
        state.pools().next().is_some() || !state.stored().is_empty() || !state.owed().is_empty();
    let Some(maker) = options.maker.as_ref().filter(|_| holds_something && !options.takes_over)
    else {
        return Ok(());
    };
    let served = state.version().and_then(|version| version.digest);
    let is_same_file = digest.is_some() && digest == served;
    match made_by(store, driver)? {
        Some(made_by) if !maker.may_have(&made_by, is_same_file) => Err(LoadError::NotItsOwn {
            name: driver.clone(),
            made_by: in_words(&made_by),
            maker: in_words(&maker.note()),
        }),
        Some(_) | None => Ok(()),
    }
}

/// Notes who has a driver's part from now on, if that is news. What cannot be
/// noted now, on a disk that is full, is noted at a later start.
pub(crate) fn note(store: &mut dyn Store, options: &LoadOptions, driver: &DriverName) {
    let Some(maker) = &options.maker else { return };
    let noted = made_by(store, driver).and_then(|made_by| match maker.note() {
        note if made_by.as_ref() == Some(&note) => Ok(()),
        note => store.set_note(&key(driver), &note),
    });
    if let Err(error) = noted {
        tracing::warn!(%driver, %error, "whose part of the ledger this is, is not noted");
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
