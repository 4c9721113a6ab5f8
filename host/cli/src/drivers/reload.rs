//! Reloads the configuration: upgrades drivers that changed, and loads new ones.

use super::{Drivers, Loaded, PATIENCE, Ready};
use crate::{artifacts::LookUp, driver_config::DriverSettings, names::reserved};
use std::sync::mpsc;

impl Drivers {
    /// Applies the configuration that was read again: upgrades the drivers that
    /// changed, and loads new ones. A driver that was removed keeps serving until
    /// the next start, since what it granted is in use. A driver whose change
    /// fails stays as it was, and the log says why.
    pub(crate) fn reload(&self, wanted: Vec<DriverSettings>) {
        for one in self.loaded().iter() {
            if !wanted.iter().any(|settings| settings.is_of(&one.settings)) {
                let driver = &one.settings.source;
                tracing::warn!(%driver, "removed from the configuration; it keeps serving until the next start");
            }
        }
        let reserved = reserved(&wanted, &self.docker_names);
        let (done, is_done) = mpsc::channel::<()>();
        let each = move |me: &Self, settings: DriverSettings| {
            // Until all are done, whoever waits.
            let _done = done.clone();
            let driver = settings.source.to_string();
            let known = me.loaded().iter().find(|one| settings.is_of(&one.settings)).cloned();
            let done = match known {
                Some(known) => me.renew(known, settings),
                None => me.load(settings, &reserved, None, LookUp::IfReachable),
            };
            if let Err(error) = &done {
                tracing::error!(driver, %error, "cannot load or upgrade the driver; it is unchanged");
            }
            done
        };
        drop(self.side_by_side(wanted, each));
        match is_done.recv_timeout(PATIENCE) {
            Err(mpsc::RecvTimeoutError::Timeout) => {
                tracing::warn!("configuration reloaded; some drivers are not in service yet");
            }
            _ => tracing::info!("configuration reloaded"),
        }
    }

    fn renew(&self, known: Loaded, settings: DriverSettings) -> Result<(), String> {
        let _at_work = self.work_on(&settings)?;
        let Ready { factory, origin, config, artifact } =
            self.ready(&settings, LookUp::IfReachable)?;
        let digest = factory.digest();
        let is_new = |one: &DriverSettings| {
            (&settings.config, &settings.limits, &settings.grants)
                != (&one.config, &one.limits, &one.grants)
        };
        if digest != known.digest || is_new(&known.settings) {
            let done = self.service.upgrade(&known.names[0], &factory, origin, Some(config), false);
            for upgraded in done.map_err(|error| error.to_string())? {
                tracing::info!(
                    driver = %upgraded.name, replayed = upgraded.replayed,
                    followed = upgraded.followed, "driver upgraded",
                );
            }
        }
        self.service.bound_pools(&known.names[0], settings.pools.as_deref());
        self.note(Loaded { settings, digest, artifact: artifact.clone(), ..known });
        self.keep_locked(artifact, digest);
        Ok(())
    }
}
