//! A compiled component: what it takes to make instances.

use crate::{
    Grants, Limits,
    bindings::{ipam, lifecycle, status},
    compile::Compiler,
    http,
    imports::State,
    inspect::inspect,
    instance::Instance,
    log::Budget,
};
use ipam_api::{Callback, Digest, Driver, Factory, Failure, Start};
use std::{io, sync::Arc, time::Duration};
use wasmtime::{
    Engine,
    component::{self, InstancePre, Linker},
};

/// A driver's component, compiled and linked. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    pub(crate) label: Arc<str>,
    pub(crate) digest: Digest,
    pub(crate) limits: Arc<Limits>,
    /// [`Limits::start_time`] in ticks of the engine's clock.
    pub(crate) start_ticks: u64,
    /// [`Limits::call_time`], likewise.
    pub(crate) call_ticks: u64,
    pub(crate) log_budget: Arc<Budget>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) pre: InstancePre<State>,
    pub(crate) lifecycle: Arc<lifecycle::GuestIndices>,
    pub(crate) ipam: Arc<ipam::GuestIndices>,
    pub(crate) status: Option<Arc<status::GuestIndices>>,
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component").field("label", &self.label).finish_non_exhaustive()
    }
}

/// Why a component was not loaded. For the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read it: {0}")]
    Unreadable(#[source] io::Error),
    /// It is larger than [`Limits::component_bytes`].
    #[error("it has more than {0} bytes")]
    TooLarge(usize),
    /// It is something else altogether.
    #[error("it is not WebAssembly")]
    NotWasm,
    /// It is what a compiler emits before it is made a component.
    #[error(
        "it is a core WebAssembly module, not a component: build it for wasm32-wasip2, \
         or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// The engine does not accept it.
    #[error("it is not a component that this host can run: {0}")]
    Invalid(String),
    /// It takes longer to compile than [`Limits::compile_time`].
    #[error("compiling it takes more than {0:?}")]
    TooSlow(Duration),
    /// The compiler was stopped at one of its limits, or is out of order.
    #[error("it could not be compiled: {0}")]
    Compiler(String),
    /// It is not a driver.
    #[error("it does not export {}", .0.join(", "))]
    MissingExports(Vec<String>),
    /// It wants something that drivers do not get.
    #[error("it imports what was not granted: {}", .0.join(", "))]
    UngrantedImports(Vec<String>),
    /// It speaks another version of the contract.
    #[error("it does not fit ipam:driver@0.1.0: {0}")]
    Mismatch(String),
}

impl Component {
    pub(crate) fn new(
        engine: &Engine,
        linker: &Linker<State>,
        compiler: Option<&Compiler>,
        label: &str,
        bytes: &[u8],
        limits: Limits,
        grants: &Grants,
    ) -> Result<Self, LoadError> {
        if bytes.len() > limits.component_bytes {
            return Err(LoadError::TooLarge(limits.component_bytes));
        }
        // Nothing is compiled that is not wanted anyway.
        let inspection = inspect(bytes)?;
        inspection.judge(grants)?;
        if let Some(compiler) = compiler {
            compiler.compile(bytes, &limits)?;
        }
        let compiled = component::Component::from_binary(engine, bytes)
            .map_err(|error| LoadError::Invalid(format!("{error:#}")))?;

        let mismatch = |error: wasmtime::Error| LoadError::Mismatch(format!("{error:#}"));
        let linker = http::link(linker, grants).map_err(mismatch)?;
        let pre = linker.instantiate_pre(&compiled).map_err(mismatch)?;
        let lifecycle = lifecycle::GuestIndices::new(&pre).map_err(mismatch)?;
        let ipam = ipam::GuestIndices::new(&pre).map_err(mismatch)?;
        let status = status::GuestIndices::new(&pre).ok();
        Ok(Self {
            label: label.into(),
            digest: inspection.digest,
            start_ticks: Limits::ticks(limits.start_time),
            call_ticks: Limits::ticks(limits.call_time),
            log_budget: Arc::new(Budget::new(&limits)),
            grants: Arc::new(grants.clone()),
            limits: Arc::new(limits),
            pre,
            lifecycle: Arc::new(lifecycle),
            ipam: Arc::new(ipam),
            status: status.map(Arc::new),
        })
    }

    /// Whether it says how full its pools are.
    #[must_use]
    pub fn has_status(&self) -> bool {
        self.status.is_some()
    }
}

impl Factory for Component {
    fn make(&self, start: &Start, callback: Box<dyn Callback>) -> Result<Box<dyn Driver>, Failure> {
        Ok(Box::new(Instance::start(self, start, callback)?))
    }

    fn digest(&self) -> Option<Digest> {
        Some(self.digest)
    }
}
