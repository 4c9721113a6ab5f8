//! `wipam serve`: puts the parts together and keeps them going until a signal.
//!
//! Drivers are loaded on a thread of their own, so that the sockets of those
//! that are there answer while others still compile: a plugin that does not
//! answer `Plugin.Activate` holds up the start of a whole Docker daemon.

use crate::{
    Fatal,
    config::{DEFAULT_PLUGIN_DIR, DriverSettings, Settings, Source},
    host_networks,
    state_dir::{StateDir, with_advice},
};
use ipam_api::names;
use ipam_docker::Server;
use ipam_ledger::{DurableStore, MemoryStore, Store};
use ipam_runtime::{Grants, Runtime};
use ipam_service::{LoadOptions, Origin, Service};
use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// How long requests in flight may take to end after a signal.
const DRAIN: Duration = Duration::from_secs(10);

pub(crate) fn run(settings: Settings) -> Result<(), Fatal> {
    let state_dir = StateDir::open(&settings.state_dir)?;
    let plugin_dir = make_plugin_dir(&settings.plugin_dir)?;
    let site_id = state_dir.site_id()?;
    // This very program compiles, even when its file was replaced meanwhile.
    let compiler = ["/proc/self/exe", "compile"].map(Into::into).to_vec();
    let runtime = Runtime::with_compiler(&state_dir.cache()?, compiler).map_err(start)?;
    let store = open_ledger(&settings, &state_dir)?;
    let service = Service::new(store, ipam_service::Limits::default());
    let service = Arc::new(service.map_err(start)?);
    let tokio =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(start)?;

    let docker = ipam_docker::Config {
        plugin_dir,
        names: settings
            .docker_names
            .iter()
            .map(|(driver, name)| (driver.clone(), name.to_string()))
            .collect(),
        exclude: Arc::new(excluded(settings.exclude)),
        ..ipam_docker::Config::default()
    };
    let server = Server::new(docker, tokio.handle().clone());
    service.subscribe(Arc::new(server.clone())).map_err(start)?;

    let result = tokio.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(start)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(start)?;
        let loading = load_all(&runtime, &service, settings.drivers, site_id)?;
        let until_signal = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        tokio::pin!(until_signal);
        let loaded = tokio::select! {
            () = &mut until_signal => Ok(()),
            loaded = loading => {
                let loaded = loaded.unwrap_or_else(|_| Err(Fatal::Start("loading ended".into())));
                if loaded.is_ok() {
                    tracing::info!("ready; SIGTERM or SIGINT ends it");
                    until_signal.await;
                }
                loaded
            }
        };
        tracing::info!("stopping");
        server.shutdown(DRAIN).await;
        loaded
    });
    service.shutdown();
    result
}

fn open_ledger(settings: &Settings, state_dir: &StateDir) -> Result<Box<dyn Store>, Fatal> {
    if settings.ephemeral {
        tracing::warn!("the ledger lives in memory: what is granted is forgotten when this ends");
        return Ok(Box::new(MemoryStore::default()));
    }
    let (store, opened) =
        DurableStore::open(state_dir.path(), settings.retention).map_err(|error| {
            Fatal::Start(format!("state directory {}: {error}", state_dir.path().display()))
        })?;
    tracing::info!(
        is_new = opened.is_new,
        migrated_from = opened.migrated_from,
        was_closed = opened.was_closed,
        replayed = opened.replayed,
        dropped_torn = opened.dropped_torn,
        "the ledger is open"
    );
    Ok(Box::new(store))
}

/// Loads every driver, in order, and says when all are served.
fn load_all(
    runtime: &Runtime,
    service: &Arc<Service>,
    drivers: Vec<DriverSettings>,
    site_id: String,
) -> Result<oneshot::Receiver<Result<(), Fatal>>, Fatal> {
    let (done, loading) = oneshot::channel();
    let (runtime, service) = (runtime.clone(), Arc::clone(service));
    let load_each = move || {
        drivers.into_iter().try_for_each(|driver| load(&runtime, &service, driver, &site_id))
    };
    // Nobody waits for the answer when a signal came first.
    let work = move || drop(done.send(load_each()));
    thread::Builder::new().name("wipam-load".to_owned()).spawn(work).map_err(start)?;
    Ok(loading)
}

fn load(
    runtime: &Runtime,
    service: &Service,
    driver: DriverSettings,
    site_id: &str,
) -> Result<(), Fatal> {
    let mut config = driver.config;
    let limits = ipam_runtime::Limits::default();
    let (what, component, origin) = match driver.source {
        Source::BuiltIn(name) => {
            let bytes = match name {
                names::NULL_IPAM => ipam_builtin::NULL,
                _ => {
                    // What makes the site's IPv6 addresses its own (RFC 4193).
                    config.entry("site-id").or_insert_with(|| site_id.into());
                    ipam_builtin::DEFAULT
                }
            };
            (format!("builtin:{name}"), runtime.load(name, bytes, limits), Origin::BuiltIn)
        }
        Source::File(path) => (
            path.display().to_string(),
            runtime.load_file(&path, limits, &Grants::default()),
            Origin::Component,
        ),
    };
    let fatal = |why: &dyn std::fmt::Display| Fatal::Start(format!("driver {what}: {why}"));
    let component = component.map_err(|error| fatal(&error))?;
    let config = serde_json::Value::Object(config).to_string();
    let options = LoadOptions { rename: driver.rename, config, ..LoadOptions::new(origin) };
    service.load(Arc::new(component), options).map(drop).map_err(|error| fatal(&error))
}

/// What automatic pools of the local space keep clear of, asked anew each time:
/// networks come and go.
fn excluded(operator: Vec<ipnet::IpNet>) -> impl Fn() -> Vec<ipnet::IpNet> + Send + Sync {
    move || {
        let mut excluded = host_networks::in_use();
        excluded.extend(operator.iter().map(ipnet::IpNet::trunc));
        excluded.sort();
        excluded.dedup();
        excluded
    }
}

/// Docker's own directory is made as a whole, since a plugin may start before
/// Docker ever did; one that the operator names needs a parent, or a typing
/// error would become a directory.
fn make_plugin_dir(path: &Path) -> Result<PathBuf, Fatal> {
    let fatal = |why: String| Fatal::Start(format!("plugin directory {}: {why}", path.display()));
    let made = if path == Path::new(DEFAULT_PLUGIN_DIR) {
        fs::create_dir_all(path)
    } else {
        fs::create_dir(path)
    };
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(fatal("its parent directory does not exist".to_owned()));
        }
        made => made.map_err(|error| fatal(with_advice(&error, "--plugin-dir")))?,
    }
    Ok(path.to_owned())
}

fn start(error: impl std::fmt::Display) -> Fatal {
    Fatal::Start(error.to_string())
}
