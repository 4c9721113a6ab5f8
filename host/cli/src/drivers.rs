//! Drivers as the configuration has them: loaded, upgraded, loaded again.

mod reload;
mod upgrade;

use crate::{
    artifacts::{Artifacts, Fetched, LookUp, Requirements},
    built_in::BuiltIn,
    component::{check_pinned, read_signed_file},
    driver_config::{DriverSettings, Source},
    fatal::Fatal,
    names::reserved,
    predefined,
};
use ipam_api::{Digest, DriverName, Factory, names};
use ipam_ledger::StoreError;
use ipam_registry::Reference;
use ipam_runtime::{Component, Runtime};
use ipam_service::{LoadOptions, Maker, Origin, Service};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc},
    thread,
    time::{Duration, Instant},
};

/// What makes drivers, and which there are.
pub(crate) struct Drivers {
    runtime: Runtime,
    service: Arc<Service>,
    artifacts: Artifacts,
    site_id: String,
    docker_names: BTreeMap<DriverName, DriverName>,
    /// Held to look and to note, never while a driver is asked or compiled.
    loaded: Mutex<Vec<Loaded>>,
    /// Entries that are being loaded or upgraded: each by one at a time.
    at_work: Mutex<BTreeSet<String>>,
    /// Held while something is compiled: one at a time.
    compiling: Mutex<()>,
    /// For threads that outlive who started them.
    me: Weak<Self>,
}

/// How long the start of the daemon may be held up by drivers that learn the
/// ledger; one that has not learnt it by then is tried again later.
const LOADING: Duration = Duration::from_mins(3);
/// How long an operator waits for an upgrade, or SIGHUP for what it brings.
const PATIENCE: Duration = Duration::from_mins(1);

/// One entry of the configuration, in service.
#[derive(Clone)]
struct Loaded {
    settings: DriverSettings,
    names: Vec<DriverName>,
    /// Of what serves now.
    digest: Option<Digest>,
    artifact: Option<ArtifactOf>,
}

/// A reference, and the digest of the manifest that it led to.
type ArtifactOf = (Reference, Digest);

/// A component that is ready to be put in service.
struct Ready {
    factory: Arc<dyn Factory>,
    origin: Origin,
    /// One JSON object.
    config: String,
    /// What to lock when it serves.
    artifact: Option<ArtifactOf>,
}

impl Drivers {
    pub(crate) fn new(
        runtime: Runtime,
        service: Arc<Service>,
        artifacts: Artifacts,
        site_id: String,
        docker_names: BTreeMap<DriverName, DriverName>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            runtime,
            service,
            artifacts,
            site_id,
            docker_names,
            loaded: Mutex::default(),
            at_work: Mutex::default(),
            compiling: Mutex::default(),
            me: me.clone(),
        })
    }

    fn loaded(&self) -> MutexGuard<'_, Vec<Loaded>> {
        lock(&self.loaded)
    }

    /// Loads every driver: those of this program first, in order, the others
    /// side by side, so that none holds up another. Comes back with the first
    /// that fails.
    pub(crate) fn load_all(&self, wanted: Vec<DriverSettings>) -> Result<(), Fatal> {
        let ends = Instant::now().checked_add(LOADING);
        let failed = |(what, why)| Fatal::Failed(format!("driver {what}: {why}"));
        let reserved = reserved(&wanted, &self.docker_names);
        let is_ours = |one: &DriverSettings| matches!(one.source, Source::BuiltIn(_));
        let (ours, others): (Vec<_>, Vec<_>) = wanted.into_iter().partition(is_ours);
        for settings in ours {
            let what = settings.source.to_string();
            self.load(settings, &reserved, ends, LookUp::IfUnknown)
                .map_err(|why| failed((what, why)))?;
        }
        let each = move |me: &Self, settings| me.load(settings, &reserved, ends, LookUp::IfUnknown);
        for done in self.side_by_side(others, each) {
            done.map_err(failed)?;
        }
        self.warn_of_absent();
        Ok(())
    }

    /// Does the same with each entry, on a thread for each that nobody need wait
    /// for. What comes of them as it comes: nothing, or which one and why not.
    fn side_by_side(
        &self,
        all: Vec<DriverSettings>,
        each: impl Fn(&Self, DriverSettings) -> Result<(), String> + Clone + Send + 'static,
    ) -> mpsc::IntoIter<Result<(), (String, String)>> {
        let (sender, receiver) = mpsc::channel();
        for settings in all {
            let what = settings.source.to_string();
            let (me, each, sender) = (self.me.clone(), each.clone(), sender.clone());
            let (of, tell) = (what.clone(), sender.clone());
            let work = move || {
                let Some(me) = me.upgrade() else { return };
                // Perhaps nobody waits any more.
                drop(sender.send(each(&me, settings).map_err(|why| (what, why))));
            };
            let started = thread::Builder::new().name("wipam-load".to_owned()).spawn(work);
            if let Err(error) = started {
                drop(tell.send(Err((of, format!("cannot start a thread: {error}")))));
            }
        }
        receiver.into_iter()
    }

    /// An entry that is worked on, until dropped.
    fn work_on(&self, settings: &DriverSettings) -> Result<AtWork<'_>, String> {
        let key = settings
            .rename
            .as_ref()
            .map_or_else(|| settings.source.identity(), |name| format!("={name}"));
        if !lock(&self.at_work).insert(key.clone()) {
            return Err("it is still being loaded or upgraded; see `wipam drivers`".to_owned());
        }
        Ok(AtWork { at_work: &self.at_work, key })
    }

    /// The host ends: nothing is compiled any more.
    pub(crate) fn halt(&self) {
        self.runtime.halt();
    }

    /// A name that was mistyped, or taken from the configuration, leaves what it
    /// held behind.
    fn warn_of_absent(&self) {
        let check = || {
            let view = self.service.view()?;
            for driver in view.drivers()? {
                let state = view.load(&driver)?;
                let (pools, addresses) = (state.pools().count(), state.address_total());
                if pools > 0 && self.service.handle(&driver).is_none() {
                    tracing::warn!(%driver, pools, addresses, "the ledger has entries of a driver that is not loaded");
                }
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = check() {
            tracing::warn!(%error, "cannot check whether all drivers of the ledger are loaded");
        }
        for (driver, name) in &self.docker_names {
            if [names::DEFAULT_IPAM, names::NULL_IPAM].contains(&name.as_str()) {
                tracing::warn!(%driver, %name, "Docker has a driver of this name itself and will not use this one");
            }
        }
        for driver in self.docker_names.keys().filter(|it| self.service.handle(it).is_none()) {
            // The names of the built-in drivers are there whether they are or not.
            if ![names::DEFAULT_IPAM, names::NULL_IPAM].contains(&driver.as_str()) {
                tracing::warn!(%driver, "docker-names has a driver that is not loaded");
            }
        }
    }

    /// Notes how an entry is now.
    fn note(&self, now: Loaded) {
        let mut loaded = self.loaded();
        match loaded.iter_mut().find(|one| now.settings.is_of(&one.settings)) {
            Some(known) => *known = now,
            None => loaded.push(now),
        }
    }

    fn load(
        &self,
        settings: DriverSettings,
        reserved: &BTreeSet<DriverName>,
        ends: Option<Instant>,
        look_up: LookUp,
    ) -> Result<(), String> {
        let _at_work = self.work_on(&settings)?;
        let Ready { factory, origin, config, artifact } = self.ready(&settings, look_up)?;
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
            names_max: settings.limits.instance.names,
            pools: settings.pools.clone(),
            reserved,
            maker: Some(maker(&settings)),
            takes_over: settings.takes_over,
            ends,
            ..LoadOptions::new(origin)
        };
        let names = self.service.load(factory, options).map_err(|error| error.to_string())?;
        self.note(Loaded { settings, names, digest, artifact: artifact.clone() });
        self.keep_locked(artifact, digest);
        Ok(())
    }

    /// Locks what serves, once it serves for every entry of that reference: a
    /// restart loads one version for all of them.
    fn keep_locked(&self, artifact: Option<ArtifactOf>, component: Option<Digest>) {
        let Some((reference, digest)) = artifact else { return };
        let source = Source::Registry(reference.clone());
        let is_other = |one: &Loaded| one.settings.source == source && one.digest != component;
        if self.loaded().iter().any(is_other) {
            tracing::info!(%reference, %digest, "not locked yet: another driver of this reference serves another version");
            return;
        }
        self.artifacts.note(&reference, digest);
    }

    fn ready(&self, settings: &DriverSettings, look_up: LookUp) -> Result<Ready, String> {
        let mut artifact = None;
        let mut config = settings.config.clone();
        let read;
        let (bytes, origin) = match &settings.source {
            Source::BuiltIn(which) => {
                if *which == BuiltIn::Default {
                    predefined::check(&config, settings.pools.as_deref())?;
                    // What makes the site's IPv6 addresses its own (RFC 4193).
                    config.entry("site-id").or_insert_with(|| self.site_id.clone().into());
                }
                (which.component(), which.origin())
            }
            Source::File(path) => {
                read = read_signed_file(path, settings)?;
                (&read[..], Origin::Component)
            }
            Source::Registry(reference) => {
                let fetched = self.fetch(reference, settings, look_up)?;
                read = fetched.bytes;
                artifact = Some((reference.clone(), fetched.digest));
                (&read[..], Origin::Component)
            }
        };
        let component = self.component(&settings.called(), bytes, settings)?;
        let config = serde_json::Value::Object(config).to_string();
        Ok(Ready { factory: Arc::new(component), origin, config, artifact })
    }

    fn fetch(
        &self,
        reference: &Reference,
        settings: &DriverSettings,
        look_up: LookUp,
    ) -> Result<Fetched, String> {
        let required = Requirements {
            signed: settings.signed.as_ref(),
            plain_http: &settings.plain_http,
            bytes_max: settings.limits.compile.component_bytes,
        };
        self.artifacts.fetch(reference, look_up, &required)
    }

    /// Compiles what is pinned, or anything if nothing is.
    fn component(
        &self,
        label: &str,
        bytes: &[u8],
        settings: &DriverSettings,
    ) -> Result<Component, String> {
        check_pinned(bytes, settings)?;
        let DriverSettings { limits, grants, .. } = settings;
        let _one_at_a_time = lock(&self.compiling);
        let component = self.runtime.load_granted(label, bytes, limits.clone(), grants);
        component.map_err(|error| error.to_string())
    }
}

/// What an entry is known by, as [`DriverSettings::is_of`] knows it.
fn maker(settings: &DriverSettings) -> Maker {
    match &settings.source {
        Source::BuiltIn(which) => Maker::BuiltIn(which.name()),
        Source::File(_) | Source::Registry(_) if settings.rename.is_some() => Maker::Named,
        // Whatever version of it: no path begins so.
        Source::Registry(_) => Maker::File(settings.source.identity().into()),
        Source::File(path) => {
            Maker::File(std::path::absolute(path).unwrap_or_else(|_| path.clone()))
        }
    }
}

/// An entry that is worked on, until dropped.
struct AtWork<'a> {
    at_work: &'a Mutex<BTreeSet<String>>,
    key: String,
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        lock(self.at_work).remove(&self.key);
    }
}

/// What is behind it is whole after each change, whoever panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
