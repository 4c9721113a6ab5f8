//! The whole house in one process: a service behind Docker's protocol, on
//! sockets in a directory of its own.

use ipam_api::{DriverHandle, DriverName};
use ipam_docker::Server;
use ipam_ledger::MemoryStore;
use ipam_runtime::{Component, Limits, Runtime};
use ipam_service::{LoadOptions, Origin, Service};
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::sync::oneshot;

/// A served service. Ends when dropped.
#[derive(Debug)]
pub struct Stack {
    directory: tempfile::TempDir,
    service: Arc<Service>,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
}

/// The `default` component, compiled once for the whole test program.
///
/// # Panics
/// When the engine or the component is unusable, which no test survives.
#[must_use]
pub fn default_component() -> Arc<Component> {
    static COMPILED: OnceLock<Arc<Component>> = OnceLock::new();
    Arc::clone(COMPILED.get_or_init(|| {
        let runtime = Runtime::new(None).expect("the engine runs here");
        let loaded = runtime.load("default", ipam_builtin::DEFAULT, Limits::default());
        Arc::new(loaded.expect("the built-in driver is a driver"))
    }))
}

/// A service that holds `default` with this configuration, one JSON object.
///
/// # Panics
/// When it does not load.
#[must_use]
pub fn service(config: &str) -> Arc<Service> {
    let service = Service::new(Box::new(MemoryStore::default()), ipam_service::Limits::default());
    let service = service.expect("a thread can be had");
    let options = LoadOptions { config: config.to_owned(), ..LoadOptions::new(Origin::BuiltIn) };
    service.load(default_component(), options).expect("the built-in driver loads");
    Arc::new(service)
}

/// The mounted `default` of a service.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn handle(service: &Service) -> Arc<dyn DriverHandle> {
    let name: DriverName = "default".parse().expect("it is a name");
    service.handle(&name).expect("it is loaded")
}

impl Stack {
    /// Serves `default` with this configuration, one JSON object.
    ///
    /// # Panics
    /// When it cannot be served.
    #[must_use]
    pub fn new(config: &str) -> Self {
        Self::of(service(config))
    }

    /// Serves all drivers of a service.
    ///
    /// # Panics
    /// When they cannot be served.
    #[must_use]
    pub fn of(service: Arc<Service>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be had");
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let tokio = tokio.expect("a reactor can be had");
        let docker = ipam_docker::Config {
            plugin_dir: directory.path().to_owned(),
            ..ipam_docker::Config::default()
        };
        let server = Server::new(docker, tokio.handle().clone());
        service.subscribe(Arc::new(server.clone())).expect("its socket can be made");
        let (stop, stopped) = oneshot::channel();
        let serving = thread::spawn(move || {
            tokio.block_on(async {
                let _ = stopped.await;
                server.shutdown(Duration::from_secs(5)).await;
            });
        });
        Self { directory, service, stop: Some(stop), serving: Some(serving) }
    }

    /// The socket of `default`.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.socket_of("wipam")
    }

    /// The socket of a driver, by the name that Docker knows.
    #[must_use]
    pub fn socket_of(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.sock"))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
        self.service.shutdown();
    }
}
