//! A driver's component: read from where a command line or a table says that it
//! is, and whether it is the one that the table wants.

use crate::{
    driver_config::{DriverSettings, Source},
    fatal::Fatal,
};
use ipam_runtime::{digest, read_file};
use ipam_service::Origin;
use std::path::Path;

/// A driver's component by what the command line calls it: what to call it in
/// the log, its bytes, and whether it is built in.
pub(crate) fn component(file: &str) -> Result<(String, Vec<u8>, bool), Fatal> {
    of_table(&DriverSettings::new(file, None, Path::new(""))?)
}

/// The same by its table: signed and pinned as that says.
pub(crate) fn of_table(settings: &DriverSettings) -> Result<(String, Vec<u8>, bool), Fatal> {
    let source = &settings.source;
    let usage = |why: String| Fatal::Usage(format!("{source}: {why}"));
    let (bytes, is_built_in) = match source {
        Source::BuiltIn(which) => (which.component().to_vec(), which.origin() == Origin::BuiltIn),
        Source::Registry(reference) => {
            return Err(usage(format!("fetch it first: wipam driver pull {reference}")));
        }
        Source::File(path) => (read_signed_file(path, settings).map_err(usage)?, false),
    };
    check_pinned(&bytes, settings).map_err(usage)?;
    Ok((source.name(), bytes, is_built_in))
}

/// Reads a component's file. Nothing unsigned is compiled where that is required.
pub(crate) fn read_signed_file(path: &Path, settings: &DriverSettings) -> Result<Vec<u8>, String> {
    let bytes = read_file(path, &settings.limits).map_err(|error| error.to_string())?;
    if let Some(signed) = settings.signed_file() {
        let by = signed.check_file(path, &bytes)?;
        tracing::info!(file = %path.display(), signed_by = %by, "the signature is right");
    }
    Ok(bytes)
}

/// Whether it is what the table pins, if it pins anything.
pub(crate) fn check_pinned(bytes: &[u8], settings: &DriverSettings) -> Result<(), String> {
    let Some(pinned) = settings.digest else { return Ok(()) };
    let found = digest(bytes);
    if found == pinned {
        return Ok(());
    }
    Err(format!("the file has the digest {found}, but the configuration pins {pinned}"))
}
