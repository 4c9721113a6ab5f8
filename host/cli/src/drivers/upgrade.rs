//! `wipam driver upgrade`, on the side of the daemon.

use super::{Drivers, Loaded, PATIENCE, read_signed_file};
use crate::{
    artifacts::LookUp,
    driver_config::{DriverSettings, Source, is_same_file},
};
use ipam_admin::{Host, Upgrade};
use ipam_api::{Digest, DriverName, Factory};
use ipam_registry::{Reference, SCHEME};
use ipam_service::Origin;
use std::{
    path::Path,
    sync::{Arc, mpsc},
    thread,
};

impl Host for Drivers {
    fn docker_name(&self, driver: &DriverName) -> Option<String> {
        Some(self.docker_names.get(driver).unwrap_or(driver).to_string())
    }

    fn upgrade(&self, driver: &DriverName, file: &Path, force: bool) -> Result<Upgrade, String> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let (me, name, path) = (self.me.clone(), driver.clone(), file.to_owned());
        let work = move || {
            let Some(me) = me.upgrade() else { return };
            let done = me.upgrade_now(&name, &path, force);
            if let Err(mpsc::SendError(Err(error))) = sender.send(done) {
                tracing::error!(driver = %name, error, "cannot upgrade the driver; it is unchanged");
            }
        };
        let started = thread::Builder::new().name("wipam-upgrade".to_owned()).spawn(work);
        started.map_err(|error| format!("cannot start a thread: {error}"))?;
        let done = receiver.recv_timeout(PATIENCE);
        done.unwrap_or_else(|_| Err(format!("still upgrading; see `wipam drivers {driver}`")))
    }
}

impl Drivers {
    fn upgrade_now(
        &self,
        driver: &DriverName,
        file: &Path,
        force: bool,
    ) -> Result<Upgrade, String> {
        let of_file = |error: String| format!("{}: {error}", file.display());
        let known = self.loaded().iter().find(|one| one.names.contains(driver)).cloned();
        let new = known.map(|known| self.read_new(file, &known.settings).map_err(of_file));
        if self.service.handle(driver).is_none() {
            let loaded = self.loaded();
            let all: Vec<_> =
                loaded.iter().flat_map(|one| &one.names).map(DriverName::as_str).collect();
            return Err(format!("no driver {driver}; there are: {}", all.join(", ")));
        }
        // The operator has decided about the driver, not about a file.
        let known = self.loaded().iter().find(|one| one.names.contains(driver)).cloned();
        let known = known.ok_or_else(|| format!("driver {driver} is not in the configuration"))?;
        // Whoever is known stays so.
        let (bytes, locks) =
            new.ok_or_else(|| format!("driver {driver} was loaded just now; try again"))??;
        let _at_work = self.work_on(&known.settings)?;
        let component = self.component(driver.as_str(), &bytes, &known.settings);
        let component = component.map_err(of_file)?;
        let factory: Arc<dyn Factory> = Arc::new(component);
        let done = self.service.upgrade(driver, &factory, Origin::Component, None, force);
        let upgraded = done.map_err(|error| error.to_string())?;
        let mut notes = Vec::new();
        let is_configured = match &known.settings.source {
            Source::BuiltIn(_) => false,
            Source::File(path) => is_same_file(path, file),
            Source::Registry(reference) => locks.as_ref().is_some_and(|(new, _)| new == reference),
        };
        if !is_configured {
            let source = &known.settings.source;
            notes.push(format!("the next start loads {source}, which the configuration names"));
        }
        self.note(Loaded { digest: factory.digest(), ..known });
        self.keep_locked(locks, factory.digest());
        for upgraded in &upgraded {
            tracing::info!(driver = %upgraded.name, file = %file.display(), "driver upgraded");
        }
        Ok(Upgrade { upgraded, notes })
    }

    /// A file, or an artifact whose tag is looked up again, and what to lock.
    fn read_new(&self, file: &Path, settings: &DriverSettings) -> Result<New, String> {
        let Some(reference) = file.to_str().filter(|text| text.starts_with(SCHEME)) else {
            return Ok((read_signed_file(file, settings)?, None));
        };
        let reference: Reference = reference.parse().map_err(|error| format!("{error}"))?;
        let fetched = self.fetch(&reference, settings, LookUp::Always)?;
        Ok((fetched.bytes, Some((reference, fetched.digest))))
    }
}

/// A component, and what to lock when it serves.
type New = (Vec<u8>, Option<(Reference, Digest)>);
