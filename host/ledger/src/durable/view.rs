//! What was durable at one moment, for readers.

use super::{
    backup,
    error::{DurableError, unpanicked},
    history, load,
    tables::{META, META_NOTE, NOTE_PREFIX, NOTES_END, counted},
};
use crate::{Past, State, StoreError, View};
use ipam_api::DriverName;
use redb::ReadTransaction;
use std::{ops::ControlFlow, path::Path};

/// What was durable when it was made; later commits neither change it nor wait
/// for it.
pub(super) struct Snapshot(pub(super) ReadTransaction);

impl View for Snapshot {
    fn drivers(&self) -> Result<Vec<DriverName>, StoreError> {
        let drivers = unpanicked(|| load::drivers(&self.0))?;
        Ok(drivers.into_iter().map(|(name, _)| name).collect())
    }

    fn load(&self, driver: &DriverName) -> Result<State, StoreError> {
        Ok(unpanicked(|| load::state(&self.0, driver))?)
    }

    fn history(
        &self,
        visit: &mut dyn FnMut(Past<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        Ok(unpanicked(|| history::visit(&self.0, &load::head(&self.0)?.history, visit))?)
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        Ok(unpanicked(|| backup::write(&self.0, to))?)
    }
}

impl Snapshot {
    /// All notes: read together, so that one that is gone is noticed.
    pub(super) fn note(&self, name: &str) -> Result<Option<String>, DurableError> {
        unpanicked(|| {
            let meta = self.0.open_table(META)?;
            let notes = META_NOTE.rows(meta.range(NOTE_PREFIX..NOTES_END)?, |key, text| {
                Ok((key.strip_prefix(NOTE_PREFIX) == Some(name)).then_some(text))
            })?;
            counted("meta", "notes", notes.len(), load::head(&self.0)?.notes)?;
            Ok(notes.into_iter().flatten().next())
        })
    }
}
