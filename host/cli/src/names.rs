//! Names are the operator's: which of them no file takes by itself, and which
//! two drivers Docker could not tell apart.

use crate::{
    built_in::BuiltIn,
    driver_config::{DriverSettings, Source},
    fatal::Fatal,
    written::parse_name,
};
use ipam_api::{DriverName, names};
use std::collections::{BTreeMap, BTreeSet};

/// What the built-in drivers are called by Docker, which has drivers of its own
/// under their names.
pub(crate) const DOCKER_DEFAULT: &str = "wipam";
/// As [`DOCKER_DEFAULT`].
pub(crate) const DOCKER_NULL: &str = "wipam-null";

/// The names that no file takes by itself: those of the built-in drivers, here
/// and at Docker, whether they are in service or not, and those that the
/// operator has given to others. A file has one of them if the operator says so.
pub(crate) fn reserved(
    drivers: &[DriverSettings],
    docker_names: &BTreeMap<DriverName, DriverName>,
) -> BTreeSet<DriverName> {
    let ours = [names::DEFAULT_IPAM, names::NULL_IPAM, DOCKER_DEFAULT, DOCKER_NULL];
    let ours = ours.into_iter().filter_map(|name| name.parse().ok());
    let given = drivers.iter().filter_map(|driver| driver.rename.clone());
    // Who is in the table of Docker's names is known to the operator.
    let of_docker = docker_names.values().filter(|name| !docker_names.contains_key(*name));
    ours.chain(given).chain(of_docker.cloned()).collect()
}

/// What Docker calls each driver, by the flags or else by the file.
///
/// # Errors
/// A name that is none, or two drivers with one name.
pub(crate) fn docker_names(
    flags: &[(DriverName, String)],
    file: Option<BTreeMap<String, String>>,
) -> Result<BTreeMap<DriverName, DriverName>, Fatal> {
    // Docker has drivers of its own under these two names, so ours need others.
    let defaults = [(names::DEFAULT_IPAM, DOCKER_DEFAULT), (names::NULL_IPAM, DOCKER_NULL)];
    let pair = |(driver, name): (&str, &str)| Ok((parse_name(driver)?, parse_name(name)?));
    let mut all: BTreeMap<_, _> = defaults.into_iter().map(pair).collect::<Result<_, Fatal>>()?;
    if flags.is_empty() {
        let file = file.unwrap_or_default();
        let file = file.iter().map(|(driver, name)| pair((driver, name)));
        all.extend(file.collect::<Result<Vec<_>, _>>()?);
    } else {
        let flags = flags.iter().map(|(driver, name)| Ok((driver.clone(), parse_name(name)?)));
        all.extend(flags.collect::<Result<Vec<_>, Fatal>>()?);
    }
    // A built-in gives way; if it is served as well, that is refused below.
    let is_default = |(driver, name): &(&DriverName, &DriverName)| {
        defaults.contains(&(driver.as_str(), name.as_str()))
    };
    let mut drivers = BTreeMap::new();
    for (driver, name) in all.iter().filter(|it| !is_default(it)) {
        if let Some(other) = drivers.insert(name, driver) {
            let text = format!("Docker cannot know both {other} and {driver} as {name}");
            return Err(Fatal::Usage(text));
        }
    }
    Ok(all)
}

/// Refuses two drivers that Docker would know by one name, as far as it is
/// known what they are called before they are loaded.
///
/// # Errors
/// The two, and the name.
pub(crate) fn check_docker_names(
    drivers: &[DriverSettings],
    docker_names: &BTreeMap<DriverName, DriverName>,
) -> Result<(), Fatal> {
    let mut known: BTreeMap<&DriverName, &DriverName> = BTreeMap::new();
    let served: Vec<DriverName> = drivers.iter().flat_map(served_as).collect();
    for driver in &served {
        let docker_name = docker_names.get(driver).unwrap_or(driver);
        // One name twice is for whoever loads the second one to refuse.
        if let Some(other) = known.insert(docker_name, driver).filter(|other| *other != driver) {
            return Err(Fatal::Usage(format!(
                "Docker cannot know both {other} and {driver} as {docker_name}"
            )));
        }
    }
    Ok(())
}

/// What an entry is served as. What a file calls itself is not known.
fn served_as(driver: &DriverSettings) -> Vec<DriverName> {
    if let Some(name) = &driver.rename {
        return vec![name.clone()];
    }
    match driver.source {
        Source::BuiltIn(BuiltIn::Remote) => driver.grants.plugins.names.iter().cloned().collect(),
        Source::BuiltIn(which) => which.name().parse().into_iter().collect(),
        Source::File(_) | Source::Registry(_) => Vec::new(),
    }
}
