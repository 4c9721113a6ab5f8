//! A compiled component: what it takes to make instances.

use crate::{
    Limits,
    bindings::{ipam, lifecycle, status},
    compile::Compiler,
    imports::State,
    instance::Instance,
    log::Budget,
};
use ipam_api::{Callback, Digest, Driver, Factory, Failure, Start};
use sha2::{Digest as _, Sha256};
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
    pub(crate) has_real_random: bool,
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

/// What every driver exports.
const EXPORTS: [&str; 2] = ["ipam:driver/lifecycle@0.1.0", "ipam:driver/ipam@0.1.0"];
/// What any driver may import of ours.
const IMPORTS: [&str; 3] =
    ["ipam:driver/types@0.1.0", "ipam:driver/callback@0.1.0", "ipam:driver/log@0.1.0"];
/// What an inert WASI provides.
const WASI: [&str; 6] =
    ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

impl Component {
    pub(crate) fn new(
        engine: &Engine,
        linker: &Linker<State>,
        compiler: Option<&Compiler>,
        label: &str,
        bytes: &[u8],
        limits: Limits,
    ) -> Result<Self, LoadError> {
        if bytes.len() > limits.component_bytes {
            return Err(LoadError::TooLarge(limits.component_bytes));
        }
        // The layer after the version tells a component from a module.
        match bytes {
            [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => {}
            [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => return Err(LoadError::CoreModule),
            _ => return Err(LoadError::NotWasm),
        }
        if let Some(compiler) = compiler {
            compiler.compile(bytes, &limits)?;
        }
        let compiled = component::Component::from_binary(engine, bytes)
            .map_err(|error| LoadError::Invalid(format!("{error:#}")))?;
        inspect(engine, &compiled)?;

        let mismatch = |error: wasmtime::Error| LoadError::Mismatch(format!("{error:#}"));
        let pre = linker.instantiate_pre(&compiled).map_err(mismatch)?;
        let lifecycle = lifecycle::GuestIndices::new(&pre).map_err(mismatch)?;
        let ipam = ipam::GuestIndices::new(&pre).map_err(mismatch)?;
        let status = status::GuestIndices::new(&pre).ok();
        Ok(Self {
            label: label.into(),
            digest: Digest(Sha256::digest(bytes).into()),
            start_ticks: Limits::ticks(limits.start_time),
            call_ticks: Limits::ticks(limits.call_time),
            log_budget: Arc::new(Budget::new(&limits)),
            has_real_random: false,
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

/// Names everything that is missing or too much at once: whoever reads it
/// should not have to come back for the next one.
fn inspect(engine: &Engine, component: &component::Component) -> Result<(), LoadError> {
    let ty = component.component_type();
    let exports: Vec<String> = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
    let missing: Vec<String> = EXPORTS
        .into_iter()
        .filter(|wanted| !exports.iter().any(|name| compatible(name, wanted)))
        .map(str::to_owned)
        .collect();
    if !missing.is_empty() {
        return Err(LoadError::MissingExports(missing));
    }
    let ungranted: Vec<String> = ty
        .imports(engine)
        .map(|(name, _)| name.to_owned())
        .filter(|name| {
            !IMPORTS.iter().any(|granted| compatible(name, granted))
                && !WASI.iter().any(|granted| name.starts_with(granted) && name.contains("@0.2."))
        })
        .collect();
    if ungranted.is_empty() { Ok(()) } else { Err(LoadError::UngrantedImports(ungranted)) }
}

/// Whether both are the same interface in versions that differ in the patch
/// only, as semver has it for 0.x.
fn compatible(name: &str, wanted: &str) -> bool {
    let minor = |full: &'_ str| full.rsplit_once('.').map(|(minor, _)| minor.to_owned());
    minor(name) == minor(wanted)
}

impl Factory for Component {
    fn make(&self, start: &Start, callback: Box<dyn Callback>) -> Result<Box<dyn Driver>, Failure> {
        Ok(Box::new(Instance::start(self, start, callback)?))
    }

    fn digest(&self) -> Option<Digest> {
        Some(self.digest)
    }
}
