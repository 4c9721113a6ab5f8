//! What a driver may call, and what its store holds.

use crate::{
    Limits,
    bindings::{callback, log, types},
    convert,
    log::Log,
    wasi,
};
use ipam_api::{Callback, Error, Kind};
use std::sync::Arc;
use tracing::Level;
use wasmtime::{
    StoreLimits, StoreLimitsBuilder,
    component::{HasSelf, Linker, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// What the store of one instance holds.
pub(crate) struct State {
    /// Only while `start` runs.
    pub(crate) callback: Option<Box<dyn Callback>>,
    pub(crate) log: Log,
    pub(crate) limits: StoreLimits,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl State {
    pub(crate) fn new(driver: Arc<str>, limits: &Limits) -> Self {
        let log = Log::new(driver, limits);
        let wasi = wasi::inert(&log);
        let limits = StoreLimitsBuilder::new()
            .memory_size(limits.memory_bytes)
            .table_elements(limits.table_elements)
            .instances(limits.parts)
            .tables(limits.parts)
            .memories(limits.parts)
            .build();
        Self { callback: None, log, limits, wasi, table: ResourceTable::new() }
    }

    fn register(
        &mut self,
        register: impl FnOnce(&mut dyn Callback) -> Result<(), Error>,
    ) -> Result<(), types::Error> {
        let result = match &mut self.callback {
            Some(callback) => register(&mut **callback),
            None => Err(Error::other(Kind::Forbidden, "drivers register while they start")),
        };
        result.map_err(|error| convert::error_to_guest(&error))
    }
}

/// Everything that a driver may import: `ipam:driver/{callback,log,types}` and
/// WASI 0.2.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    callback::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    log::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
    Ok(linker)
}

impl types::Host for State {}

impl callback::Host for State {
    fn register_ipam_driver(&mut self, name: String) -> Result<(), types::Error> {
        self.register(|callback| callback.register_ipam_driver(&name))
    }

    fn register_ipam_driver_with_capabilities(
        &mut self,
        name: String,
        capability: types::Capability,
    ) -> Result<(), types::Error> {
        let capability = convert::capability(capability);
        self.register(|callback| callback.register_ipam_driver_with_capabilities(&name, capability))
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
        self.log.say(level, &message);
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
