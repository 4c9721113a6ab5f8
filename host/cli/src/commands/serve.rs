//! `wipam serve`: puts the parts together and keeps them going until a signal.
//!
//! Drivers are loaded on a thread of their own, so that the sockets of those
//! that are there answer while others still compile: a plugin that does not
//! answer `Plugin.Activate` holds up the start of a whole Docker daemon.

use crate::{
    artifacts::Artifacts,
    config::{Flags, Settings},
    defaults::PLUGIN_DIR,
    drivers::Drivers,
    fatal::Fatal,
    host_networks::{self, Excluded},
    logging,
    state_dir::{StateDir, with_advice},
};
use ipam_docker::Server;
use ipam_ledger::{DurableStore, MemoryStore, Store};
use ipam_runtime::Runtime;
use ipam_service::Service;
use std::{
    fmt::Display,
    fs,
    io::ErrorKind,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

/// Under which name the ledger notes the site's id.
const SITE_ID: &str = "site-id";
/// How long requests in flight may take to end after a signal.
const DRAIN: Duration = Duration::from_secs(10);

/// Serve drivers to Docker on this machine, until SIGTERM or SIGINT
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// What wins over the configuration file.
    #[command(flatten)]
    flags: Flags,
}

const AFTER_HELP: &str = "\
Each flag has a key in the configuration file. A flag overrides the file.
Start wipam before dockerd: Docker looks for plugins when it starts.
SIGHUP reloads the configuration: changed drivers are upgraded without downtime, and
new ones are loaded.

Exit codes: 0 stopped by a signal, 1 cannot start, 2 wrong flag or configuration.
Environment: RUST_LOG chooses what is logged (info; ipam_docker=debug; ...).

Example, without root:
  wipam serve --state-dir ./wipam-data --plugin-dir ./wipam-data/plugins";

pub(crate) fn run(args: &Args) -> Result<(), Fatal> {
    let flags = &args.flags;
    let settings = Settings::new(flags.clone())?;
    logging::start(settings.log_format)?;
    let state_dir = StateDir::open(&settings.state_dir)?;
    let plugin_dir = make_plugin_dir(&settings.plugin_dir)?;
    // This very program compiles, even when its file was replaced meanwhile.
    let compiler = ["/proc/self/exe", "compile"].map(Into::into).to_vec();
    let runtime = Runtime::with_compiler(&state_dir.cache()?, compiler).map_err(failed)?;
    let (store, site_id) = open_ledger(&settings, &state_dir)?;
    let service = Service::new(store, ipam_service::Limits::default());
    let service = Arc::new(service.map_err(failed)?);
    let tokio =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;

    let exclude = Excluded::new(&settings.exclude);
    host_networks::watch(&exclude).map_err(failed)?;
    let names = settings.docker_names.iter();
    let docker = ipam_docker::Config {
        plugin_dir,
        names: names.map(|(driver, name)| (driver.clone(), name.to_string())).collect(),
        exclude: Arc::new({
            let exclude = exclude.clone();
            move || exclude.all()
        }),
        mac_addresses: settings.mac_addresses,
        ..ipam_docker::Config::default()
    };
    let server = Server::new(docker, tokio.handle().clone());
    service.subscribe(Arc::new(server.clone())).map_err(failed)?;
    let names = settings.docker_names.clone();
    let artifacts = Artifacts::open(&state_dir.artifacts()?, &settings.lock)?;
    let drivers = Drivers::new(runtime, service.clone(), artifacts, site_id, names);
    let socket = state_dir.path().join(ipam_admin::SOCKET);
    let limits = ipam_admin::Limits::default();
    let admin = ipam_admin::Server::open(socket.clone(), service.clone(), drivers.clone(), limits)
        .map_err(|error| Fatal::Failed(format!("{}: {error}", socket.display())))?;

    let serving = async {
        let mut signals = Signals::new()?;
        if let Some(address) = settings.metrics_listen {
            serve_metrics(address, service.clone()).await?;
        }
        let loading = in_thread({
            let (drivers, wanted) = (drivers.clone(), settings.drivers.clone());
            move || drivers.load_all(wanted)
        })?;
        let mut loading = loading;
        let mut is_ready = false;
        // Whatever is loading when it ends is left behind.
        let loaded = loop {
            tokio::select! {
                is_hangup = signals.hangup() => {
                    if !is_hangup {
                        break Ok(());
                    }
                    reload(flags, &settings, &exclude, &drivers)?;
                }
                loaded = &mut loading, if !is_ready => {
                    let failed = || Fatal::Failed("loading ended".into());
                    match loaded.unwrap_or_else(|_| Err(failed())) {
                        Ok(()) => tracing::info!("ready; SIGTERM or SIGINT ends it"),
                        failed => break failed,
                    }
                    is_ready = true;
                }
            }
        };
        tracing::info!("stopping");
        let over = Instant::now() + DRAIN;
        service.begin_shutdown();
        drivers.halt();
        drop(admin);
        server.shutdown(DRAIN).await;
        Ok((loaded, over))
    };
    let (result, over) =
        tokio.block_on(serving).unwrap_or_else(|failed| (Err(failed), Instant::now()));
    service.shutdown_within(over.saturating_duration_since(Instant::now()));
    result
}

/// Serves metrics until the runtime ends.
async fn serve_metrics(address: SocketAddr, service: Arc<Service>) -> Result<(), Fatal> {
    let listener = TcpListener::bind(address).await;
    let listener =
        listener.map_err(|error| Fatal::Failed(format!("metrics at {address}: {error}")))?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(url = %format_args!("http://{address}/metrics"), "serving metrics");
    tokio::spawn(ipam_metrics::listen(listener, service, ipam_metrics::Limits::default()));
    Ok(())
}

/// Reads the configuration again. What is wrong with it is logged, and all
/// stays as it is.
fn reload(
    flags: &Flags,
    started_with: &Settings,
    exclude: &Excluded,
    drivers: &Arc<Drivers>,
) -> Result<(), Fatal> {
    let settings = match Settings::new(flags.clone()) {
        Ok(settings) => settings,
        Err(error) => {
            tracing::error!(%error, "cannot reload the configuration; it is unchanged");
            return Ok(());
        }
    };
    for key in started_with.fixed_that_differ(&settings) {
        tracing::warn!(key, "this change takes effect at the next start");
    }
    exclude.set_operator(&settings.exclude);
    let drivers = drivers.clone();
    // Signals are heard meanwhile; the next reload waits for this one.
    in_thread(move || drivers.reload(settings.drivers)).map(drop)
}

/// Runs something that takes its time on a thread of its own.
fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<oneshot::Receiver<T>, Fatal> {
    let (done, result) = oneshot::channel();
    // Nobody waits for the result when a signal came first.
    let work = move || drop(done.send(work()));
    thread::Builder::new().name("wipam-load".to_owned()).spawn(work).map_err(failed)?;
    Ok(result)
}

/// The signals that mean something here.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, Fatal> {
        let signal = |kind| signal(kind).map_err(failed);
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// True for a SIGHUP, false when it is over.
    async fn hangup(&mut self) -> bool {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => false,
            _ = self.hangup.recv() => true,
        }
    }
}

/// The ledger, and the site's id, which a ledger on disk holds, too: a backup
/// has it.
fn open_ledger(
    settings: &Settings,
    state_dir: &StateDir,
) -> Result<(Box<dyn Store>, String), Fatal> {
    if settings.ephemeral {
        tracing::warn!("the ledger is in memory: all allocations are lost when Wipam stops");
        return Ok((Box::new(MemoryStore::default()), state_dir.site_id()?));
    }
    let fatal = |error: &dyn Display| {
        Fatal::Failed(format!("state directory {}: {error}", state_dir.path().display()))
    };
    let begin = Instant::now();
    let opened = DurableStore::open(state_dir.path(), settings.retention);
    let (mut store, opened) = opened.map_err(|error| fatal(&error))?;
    tracing::info!(
        is_new = opened.is_new,
        migrated_from = opened.migrated_from,
        was_closed = opened.was_closed,
        replayed = opened.replayed,
        dropped_torn = opened.dropped_torn,
        repair = ?opened.repair,
        took = ?begin.elapsed(),
        "the ledger is open"
    );
    if let Some(error) = opened.no_room {
        tracing::error!(
            error,
            "the ledger cannot be written: new requests are refused until it can"
        );
    }
    let site_id = match store.note(SITE_ID).map_err(|error| fatal(&error))? {
        Some(noted) => noted,
        None => {
            let made = state_dir.site_id()?;
            store.set_note(SITE_ID, &made).map_err(|error| fatal(&error))?;
            made
        }
    };
    Ok((Box::new(store), site_id))
}

/// Docker's own directory is made as a whole, since a plugin may start before
/// Docker ever did; one that the operator names needs a parent, or a typing
/// error would become a directory.
fn make_plugin_dir(path: &Path) -> Result<PathBuf, Fatal> {
    let fatal = |why: String| Fatal::Failed(format!("plugin directory {}: {why}", path.display()));
    let made =
        if path == Path::new(PLUGIN_DIR) { fs::create_dir_all(path) } else { fs::create_dir(path) };
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(fatal("its parent directory does not exist".to_owned()));
        }
        made => made.map_err(|error| fatal(with_advice(&error, "--plugin-dir")))?,
    }
    Ok(path.to_owned())
}

fn failed(error: impl Display) -> Fatal {
    Fatal::Failed(error.to_string())
}
