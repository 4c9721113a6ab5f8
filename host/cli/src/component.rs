//! A driver's component by what a command line calls it.

use crate::{
    driver_config::{DriverSettings, Source},
    fatal::Fatal,
};
use ipam_runtime::{Limits, read_file};
use ipam_service::Origin;
use std::path::Path;

/// A driver's component by what the command line calls it: what to call it in
/// the log, its bytes, and whether it is built in.
pub(crate) fn component(file: &str) -> Result<(String, Vec<u8>, bool), Fatal> {
    of_source(&DriverSettings::new(file, None, Path::new(""))?.source, &Limits::default())
}

/// The same by where it comes from.
pub(crate) fn of_source(
    source: &Source,
    limits: &Limits,
) -> Result<(String, Vec<u8>, bool), Fatal> {
    match source {
        Source::BuiltIn(which) => {
            let is_built_in = which.origin() == Origin::BuiltIn;
            Ok((which.name().to_owned(), which.component().to_vec(), is_built_in))
        }
        Source::Registry(reference) => {
            Err(Fatal::Usage(format!("{source}: fetch it first: wipam driver pull {reference}")))
        }
        Source::File(path) => {
            let bytes = read_file(path, limits)
                .map_err(|error| Fatal::Usage(format!("{source}: {error}")))?;
            let label = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            Ok((label, bytes, false))
        }
    }
}
