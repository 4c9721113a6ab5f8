//! What a driver may call, and what its store holds.

use crate::{
    Grants, Limits,
    bindings::{callback, log, plugins, store, types},
    clock::Clock,
    convert,
    halt::{Halt, Left},
    http::Http,
    last_words::Cause,
    log::Log,
    plugins::Plugins,
    quota::Quota,
    store::Overlay,
    wasi,
};
use ipam_api::{Callback, Code, Error, Kind};
use std::{sync::Arc, time::Duration};
use tracing::Level;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p2::bindings::clocks::monotonic_clock};

/// What the store of one instance holds.
pub(crate) struct State {
    /// Only while `start` runs.
    pub(crate) callback: Option<Box<dyn Callback>>,
    pub(crate) clock: Clock,
    pub(crate) quota: Quota,
    /// Of the call under way.
    pub(crate) left: Left,
    /// What the driver has stored.
    pub(crate) overlay: Overlay,
    pub(crate) http: Http,
    pub(crate) plugins: Plugins,
    pub(crate) table: ResourceTable,
    log: Log,
    name_bytes: usize,
    wasi: WasiCtx,
}

impl State {
    pub(crate) fn new(
        log: Log,
        limits: &Limits,
        grants: &Arc<Grants>,
        overlay: Overlay,
        quota: Quota,
        halt: &Halt,
    ) -> Self {
        let clock = Clock::default();
        let mut table = ResourceTable::new();
        table.set_max_capacity(Http::handles(grants, limits));
        Self {
            callback: None,
            plugins: Plugins::new(grants.clone(), limits, log.clone(), halt.clone()),
            http: Http::new(grants.clone(), limits, log.clone(), halt.clone()),
            wasi: wasi::inert(&log, &clock, grants.random_real),
            quota,
            left: Left::default(),
            overlay,
            name_bytes: limits.answer.name_bytes,
            clock,
            log,
            table,
        }
    }

    /// A call begins that may take so long.
    pub(crate) fn begin(&mut self, time: Duration) {
        self.log.forget();
        self.http.begin(time, self.clock.monotonic());
        self.plugins.begin(time);
    }

    /// What the driver said of the failure of the call under way.
    pub(crate) fn cause(&self) -> Option<Cause> {
        self.log.cause()
    }

    fn register(
        &mut self,
        name: &str,
        register: impl FnOnce(&mut dyn Callback) -> Result<(), Error>,
    ) -> Result<(), types::Error> {
        let result = match &mut self.callback {
            // Whoever refuses a name says it, so this one goes no further.
            Some(_) if name.len() > self.name_bytes => {
                let text = format!("a name has at most {} bytes", self.name_bytes);
                Err(Error::new(Code::InvalidRequest, text))
            }
            Some(callback) => register(&mut **callback),
            None => {
                self.log.registers_late();
                Err(Error::other(Kind::Forbidden, "drivers register while they start"))
            }
        };
        result.map_err(|error| convert::error_to_guest(&error))
    }
}

/// Everything that a driver may import: `ipam:driver/{callback,log,types}`,
/// WASI 0.2, and what a grant lets through: `ipam:driver/{store,plugins}`.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    callback::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    log::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    store::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    plugins::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
    // Ours, since WASI's own waits.
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    linker.allow_shadowing(false);
    Ok(linker)
}

impl types::Host for State {}

impl callback::Host for State {
    fn register_ipam_driver(&mut self, name: String) -> Result<(), types::Error> {
        self.register(&name, |callback| callback.register_ipam_driver(&name))
    }

    fn register_ipam_driver_with_capabilities(
        &mut self,
        name: String,
        capability: types::Capability,
    ) -> Result<(), types::Error> {
        let capability = convert::capability(capability);
        self.register(&name, |callback| {
            callback.register_ipam_driver_with_capabilities(&name, capability)
        })
    }
}

impl log::Host for State {
    fn log(&mut self, level: log::Level, message: String) {
        let level = match level {
            log::Level::Error => Level::ERROR,
            log::Level::Warn => Level::WARN,
            log::Level::Info => Level::INFO,
            log::Level::Debug => Level::DEBUG,
        };
        self.log.log(level, &message);
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
