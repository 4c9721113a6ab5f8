//! `wipam driver upgrade`, on the side of the daemon.

use super::{ArtifactOf, Drivers, Loaded, PATIENCE};
use crate::{
    artifacts::LookUp,
    component::read_signed_file,
    driver_config::{DriverSettings, Source},
};
use ipam_admin::{Host, Upgrade};
use ipam_api::{Digest, DriverName, Factory};
use ipam_registry::{Reference, SCHEME};
use ipam_service::Origin;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
};

impl Host for Drivers {
    fn docker_name(&self, driver: &DriverName) -> Option<String> {
        Some(self.docker_names.get(driver).unwrap_or(driver).to_string())
    }

    fn artifact(&self, driver: &DriverName) -> Option<String> {
        let loaded = self.loaded();
        let known = loaded.iter().find(|one| one.names.contains(driver))?;
        let (reference, digest) = known.artifact.as_ref()?;
        Some(reference.at(*digest).to_string())
    }

    fn artifacts_with(&self, component: Digest) -> Vec<Digest> {
        self.artifacts.with_component(component)
    }

    fn upgrade(
        &self,
        driver: &DriverName,
        file: Option<&Path>,
        force: bool,
    ) -> Result<Upgrade, String> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let (me, name, file) = (self.me.clone(), driver.clone(), file.map(Path::to_owned));
        let work = move || {
            let Some(me) = me.upgrade() else { return };
            let done = me.upgrade_now(&name, file, force);
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
        file: Option<PathBuf>,
        force: bool,
    ) -> Result<Upgrade, String> {
        let known = self.loaded().iter().find(|one| one.names.contains(driver)).cloned();
        let new = known.map(|known| self.read_new(file, &known.settings));
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
        let New { source, bytes, artifact } =
            new.ok_or_else(|| format!("driver {driver} was loaded just now; try again"))??;
        let _at_work = self.work_on(&known.settings)?;
        let component = self.component(driver.as_str(), &bytes, &known.settings);
        let component = component.map_err(|error| format!("{source}: {error}"))?;
        let factory: Arc<dyn Factory> = Arc::new(component);
        let done = self.service.upgrade(driver, &factory, Origin::Component, None, force);
        let upgraded = done.map_err(|error| error.to_string())?;
        let mut notes = Vec::new();
        let configured = &known.settings.source;
        if !configured.is_same(&source) {
            notes.push(format!("the next start loads {configured}, which the configuration names"));
        }
        self.note(Loaded { digest: factory.digest(), artifact: artifact.clone(), ..known });
        self.keep_locked(artifact, factory.digest());
        for upgraded in &upgraded {
            tracing::info!(driver = %upgraded.name, file = %source, "driver upgraded");
        }
        Ok(Upgrade { upgraded, notes })
    }

    /// What was named, else what the configuration names. A tag is looked up again.
    fn read_new(&self, file: Option<PathBuf>, settings: &DriverSettings) -> Result<New, String> {
        let reference = |path: &Path| -> Option<Result<Reference, _>> {
            Some(path.to_str().filter(|text| text.starts_with(SCHEME))?.parse())
        };
        let source = match file {
            Some(path) => match reference(&path) {
                Some(reference) => Source::Registry(reference.map_err(|it| it.to_string())?),
                None => Source::File(path),
            },
            None => settings.source.clone(),
        };
        let read = || match &source {
            Source::BuiltIn(_) => Err("it is part of Wipam; name a file or a reference".to_owned()),
            Source::File(path) => Ok((read_signed_file(path, settings)?, None)),
            Source::Registry(reference) => {
                let fetched = self.fetch(reference, settings, LookUp::Always)?;
                Ok((fetched.bytes, Some((reference.clone(), fetched.digest))))
            }
        };
        let (bytes, artifact) = read().map_err(|error| format!("{source}: {error}"))?;
        Ok(New { source, bytes, artifact })
    }
}

/// Another version of a driver.
struct New {
    source: Source,
    bytes: Vec<u8>,
    artifact: Option<ArtifactOf>,
}
