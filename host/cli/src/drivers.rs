//! Drivers as the configuration has them: loaded, upgraded, loaded again.

use crate::{
    Fatal,
    built_in::BuiltIn,
    driver_config::{DriverSettings, Source},
    names::reserved,
    predefined,
};
use ipam_admin::{Host, Upgrade};
use ipam_api::{Digest, DriverName, Factory, names};
use ipam_ledger::StoreError;
use ipam_runtime::{Component, Runtime, digest, read_file};
use ipam_service::{LoadOptions, Maker, Origin, Service};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What makes drivers, and which there are.
pub(crate) struct Drivers {
    runtime: Runtime,
    service: Arc<Service>,
    site_id: String,
    docker_names: BTreeMap<DriverName, DriverName>,
    /// Held while something is loaded or upgraded: one at a time.
    loaded: Mutex<Vec<Loaded>>,
}

/// One entry of the configuration, in service.
struct Loaded {
    settings: DriverSettings,
    names: Vec<DriverName>,
    /// Of what serves now.
    digest: Option<Digest>,
}

/// A component that is ready to be put in service.
struct Ready {
    factory: Arc<dyn Factory>,
    origin: Origin,
    /// One JSON object.
    config: String,
}

impl Drivers {
    pub(crate) fn new(
        runtime: Runtime,
        service: Arc<Service>,
        site_id: String,
        docker_names: BTreeMap<DriverName, DriverName>,
    ) -> Self {
        Self { runtime, service, site_id, docker_names, loaded: Mutex::default() }
    }

    fn loaded(&self) -> MutexGuard<'_, Vec<Loaded>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads every driver, in order.
    pub(crate) fn load_all(&self, wanted: Vec<DriverSettings>) -> Result<(), Fatal> {
        let mut loaded = self.loaded();
        let reserved = reserved(&wanted, &self.docker_names);
        for settings in wanted {
            let what = settings.source.to_string();
            let one = self.load(settings, &reserved);
            loaded.push(one.map_err(|why| Fatal::Failed(format!("driver {what}: {why}")))?);
        }
        self.tell_of_absent();
        Ok(())
    }

    /// A name that was mistyped, or taken from the configuration, leaves what it
    /// held behind.
    fn tell_of_absent(&self) {
        let tell = || {
            let view = self.service.view()?;
            for driver in view.drivers()? {
                let state = view.load(&driver)?;
                let (pools, addresses) = (state.pools().count(), state.address_total());
                if pools > 0 && self.service.mount(&driver).is_none() {
                    tracing::warn!(%driver, pools, addresses, "the ledger has what a driver holds that is not loaded");
                }
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = tell() {
            tracing::warn!(%error, "whether all drivers of the ledger are loaded is unknown");
        }
        for (driver, name) in &self.docker_names {
            if [names::DEFAULT_IPAM, names::NULL_IPAM].contains(&name.as_str()) {
                tracing::warn!(%driver, %name, "Docker keeps this name for a driver of its own, and will not ask this one");
            }
        }
        for driver in self.docker_names.keys().filter(|it| self.service.mount(it).is_none()) {
            // The names of the built-in drivers are there whether they are or not.
            if ![names::DEFAULT_IPAM, names::NULL_IPAM].contains(&driver.as_str()) {
                tracing::warn!(%driver, "docker-names has a driver that is not loaded");
            }
        }
    }

    /// Makes of what is loaded what is wanted: what changed is upgraded, what
    /// is new is loaded. What is wanted no more serves until the end, since
    /// what it granted is in use. What fails is logged, and stays as it is.
    pub(crate) fn reload(&self, wanted: Vec<DriverSettings>) {
        let mut loaded = self.loaded();
        for one in loaded.iter() {
            if !wanted.iter().any(|settings| settings.is_of(&one.settings)) {
                let driver = &one.settings.source;
                tracing::warn!(%driver, "no more in the configuration; it serves until the end");
            }
        }
        let reserved = reserved(&wanted, &self.docker_names);
        for settings in wanted {
            let driver = settings.source.to_string();
            let known = loaded.iter_mut().find(|one| settings.is_of(&one.settings));
            let done = match known {
                Some(known) => self.renew(known, settings),
                None => self.load(settings, &reserved).map(|one| loaded.push(one)),
            };
            if let Err(error) = done {
                tracing::error!(driver, %error, "it stays as it was");
            }
        }
        tracing::info!("the configuration was read again");
    }

    fn renew(&self, known: &mut Loaded, settings: DriverSettings) -> Result<(), String> {
        let Ready { factory, origin, config } = self.ready(&settings)?;
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
                    followed = upgraded.followed, "another version is in service",
                );
            }
        }
        self.service.bound_pools(&known.names[0], settings.pools.as_deref());
        known.settings = settings;
        known.digest = digest;
        Ok(())
    }

    fn load(
        &self,
        settings: DriverSettings,
        reserved: &BTreeSet<DriverName>,
    ) -> Result<Loaded, String> {
        let Ready { factory, origin, config } = self.ready(&settings)?;
        let digest = factory.digest();
        let rename = settings.rename.clone();
        // What is built in is what it says that it is.
        let reserved = match origin {
            Origin::BuiltIn => BTreeSet::new(),
            Origin::Component => reserved.clone(),
        };
        let options = LoadOptions {
            rename,
            config,
            names_max: settings.limits.names,
            pools: settings.pools.clone(),
            reserved,
            maker: Some(maker(&settings)),
            takes_over: settings.takes_over,
            ..LoadOptions::new(origin)
        };
        let names = self.service.load(factory, options).map_err(|error| error.to_string())?;
        Ok(Loaded { settings, names, digest })
    }

    fn ready(&self, settings: &DriverSettings) -> Result<Ready, String> {
        let mut config = settings.config.clone();
        let label = settings.rename.as_ref().map(DriverName::as_str);
        let read;
        let (label, bytes, origin) = match &settings.source {
            Source::BuiltIn(which) => {
                if *which == BuiltIn::Default {
                    predefined::check(&config, settings.pools.as_deref())?;
                    // What makes the site's IPv6 addresses its own (RFC 4193).
                    config.entry("site-id").or_insert_with(|| self.site_id.clone().into());
                }
                (which.name().into(), which.component(), which.origin())
            }
            Source::File(path) => {
                read = read_file(path, &settings.limits).map_err(|error| error.to_string())?;
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                (label.map_or(stem, Into::into), &read[..], Origin::Component)
            }
        };
        let component = self.component(&label, bytes, settings)?;
        let config = serde_json::Value::Object(config).to_string();
        Ok(Ready { factory: Arc::new(component), origin, config })
    }

    /// Compiles what is pinned, or anything if nothing is.
    fn component(
        &self,
        label: &str,
        bytes: &[u8],
        settings: &DriverSettings,
    ) -> Result<Component, String> {
        if let Some(pinned) = settings.digest {
            let found = digest(bytes);
            if found != pinned {
                return Err(format!(
                    "its file is {found}, and the configuration has pinned {pinned}"
                ));
            }
        }
        let DriverSettings { limits, grants, .. } = settings;
        let component = self.runtime.load_granted(label, bytes, limits.clone(), grants);
        component.map_err(|error| error.to_string())
    }
}

impl Host for Drivers {
    fn docker_name(&self, driver: &DriverName) -> Option<String> {
        Some(self.docker_names.get(driver).unwrap_or(driver).to_string())
    }

    fn upgrade(&self, driver: &DriverName, file: &Path, force: bool) -> Result<Upgrade, String> {
        // Read before others have to wait for us.
        let limits = self
            .loaded()
            .iter()
            .find(|one| one.names.contains(driver))
            .map(|one| one.settings.limits.clone());
        let of_file = |error: String| format!("{}: {error}", file.display());
        let bytes = limits
            .map(|limits| read_file(file, &limits).map_err(|error| of_file(error.to_string())));
        let mut loaded = self.loaded();
        if self.service.mount(driver).is_none() {
            let all: Vec<_> =
                loaded.iter().flat_map(|one| &one.names).map(DriverName::as_str).collect();
            return Err(format!("no driver {driver}; there are: {}", all.join(", ")));
        }
        // The operator has decided about the driver, not about a file.
        let known = loaded.iter_mut().find(|one| one.names.contains(driver));
        let known = known.ok_or_else(|| format!("driver {driver} is not of the configuration"))?;
        // Whoever is known stays so.
        let bytes =
            bytes.ok_or_else(|| format!("driver {driver} was loaded just now; try again"))??;
        let component = self.component(driver.as_str(), &bytes, &known.settings);
        let component = component.map_err(of_file)?;
        let factory: Arc<dyn Factory> = Arc::new(component);
        let done = self.service.upgrade(driver, &factory, Origin::Component, None, force);
        let upgraded = done.map_err(|error| error.to_string())?;
        let mut notes = Vec::new();
        known.digest = factory.digest();
        if !matches!(&known.settings.source, Source::File(path) if is_same(path, file)) {
            let source = &known.settings.source;
            notes.push(format!("the configuration has {source}, which the next start loads"));
        }
        for upgraded in &upgraded {
            tracing::info!(driver = %upgraded.name, file = %file.display(), "another version is in service");
        }
        Ok(Upgrade { upgraded, notes })
    }
}

/// What an entry is known by, as [`DriverSettings::is_of`] knows it.
fn maker(settings: &DriverSettings) -> Maker {
    match &settings.source {
        Source::BuiltIn(which) => Maker::BuiltIn(which.name()),
        Source::File(_) if settings.rename.is_some() => Maker::Named,
        Source::File(path) => {
            Maker::File(std::path::absolute(path).unwrap_or_else(|_| path.clone()))
        }
    }
}

/// Whether two paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    one == other
        || one.canonicalize().ok().is_some_and(|one| other.canonicalize().ok() == Some(one))
}
