//! The engine, its clock and its cache.

use crate::{
    Component, Grants, Limits, LoadError,
    compile::{Compiler, fingerprint},
    features::FEATURES,
    halt::Halt,
    imports, read_regular,
};
use std::{ffi::OsString, io::ErrorKind, path::Path, sync::Arc, thread};
use wasmtime::{
    Cache, CacheConfig, Config, Engine, WasmBacktraceDetails, WasmFeatures, component::Linker,
};

/// Compiles components. One for a whole program; cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    engine: Engine,
    linker: Linker<imports::State>,
    compiler: Option<Arc<Compiler>>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

/// Why the engine could not be made. For the operator.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the WebAssembly engine: {0}")]
pub struct SetupError(String);

impl Runtime {
    /// Makes an engine that compiles in this process, which nothing bounds in
    /// time and memory: for components that are not meant to do harm. Compiled
    /// code is kept in `cache` if given: an absolute path to a directory that
    /// nobody else may write to, since what lies there is executed.
    ///
    /// # Errors
    /// When this machine cannot run the engine, the directory cannot be used,
    /// or no thread can be had.
    pub fn new(cache: Option<&Path>) -> Result<Self, SetupError> {
        let setup = |error: wasmtime::Error| SetupError(format!("{error:#}"));
        let (engine, _) = engine(cache).map_err(setup)?;
        let linker = imports::linker(&engine).map_err(setup)?;
        tick(&engine).map_err(|error| SetupError(error.to_string()))?;
        Ok(Self { engine, linker, compiler: None })
    }

    /// Makes an engine for components of strangers: `command` compiles, a
    /// program and its arguments that come to [`compile`](crate::compile()),
    /// for each component in a process of its own within
    /// [`CompileLimits::time`](crate::CompileLimits::time) and the limits beside it. The code comes back
    /// through `cache`, as in [`Runtime::new`].
    ///
    /// How many such processes there are at a time is the caller's choice: one
    /// for each call of [`Runtime::load`].
    ///
    /// # Errors
    /// As [`Runtime::new`].
    pub fn with_compiler(cache: &Path, command: Vec<OsString>) -> Result<Self, SetupError> {
        let runtime = Self::new(Some(cache))?;
        let fingerprint = fingerprint(&runtime.engine);
        let compiler =
            Compiler { command, cache: cache.to_owned(), fingerprint, halt: Halt::default() };
        Ok(Self { compiler: Some(Arc::new(compiler)), ..runtime })
    }

    /// Compiles a component, and looks at what it exports and imports.
    ///
    /// `label` is what its log lines are called until it has a name. Takes
    /// from milliseconds to seconds, unless the cache knows it.
    ///
    /// # Errors
    /// [`LoadError`] says what it is, lacks or wants too much.
    pub fn load(&self, label: &str, bytes: &[u8], limits: Limits) -> Result<Component, LoadError> {
        self.load_granted(label, bytes, limits, &Grants::default())
    }

    /// [`Runtime::load`] for a driver that gets more than every driver does.
    ///
    /// # Errors
    /// As [`Runtime::load`].
    pub fn load_granted(
        &self,
        label: &str,
        bytes: &[u8],
        limits: Limits,
        grants: &Grants,
    ) -> Result<Component, LoadError> {
        let Self { engine, linker, compiler } = self;
        Component::new(engine, linker, compiler.as_deref(), label, bytes, limits, grants)
    }

    /// The host ends: nothing is compiled any more by a process of its own, and
    /// one that does is killed. Components that are there go on; they are halted
    /// one by one, as factories.
    pub fn halt(&self) {
        if let Some(compiler) = &self.compiler {
            compiler.halt.set();
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// [`Runtime::load_granted`] from a file, labelled with its name.
    ///
    /// # Errors
    /// [`LoadError::Unreadable`] too.
    pub fn load_file(
        &self,
        path: &Path,
        limits: Limits,
        grants: &Grants,
    ) -> Result<Component, LoadError> {
        let label = path.file_stem().unwrap_or_default().to_string_lossy();
        let bytes = read_file(path, &limits)?;
        self.load_granted(&label, &bytes, limits, grants)
    }
}

/// Reads a component's file, for whoever wants to [`inspect`](crate::inspect())
/// it before it is loaded. What is no regular file is refused, and nobody waits
/// for it.
///
/// # Errors
/// [`LoadError::Unreadable`] and [`LoadError::TooLarge`].
pub fn read_file(path: &Path, limits: &Limits) -> Result<Vec<u8>, LoadError> {
    let most = u64::try_from(limits.compile.component_bytes).unwrap_or(u64::MAX);
    read_regular(path, most).map_err(|error| {
        if error.kind() == ErrorKind::FileTooLarge {
            LoadError::TooLarge(limits.compile.component_bytes)
        } else {
            LoadError::Unreadable(error)
        }
    })
}

/// How much compiled code a cache has before the engine removes what was used
/// least recently. It looks from time to time, so there may be more for a while.
const CACHE_BYTES: u64 = 512 << 20;

/// The engine, the same in every process that shares a cache.
pub(crate) fn engine(cache: Option<&Path>) -> wasmtime::Result<(Engine, Option<Cache>)> {
    let mut config = Config::new();
    // Sync calls on plain threads: without component-model async an empty
    // call costs a third, and epochs are what ends a call that does not.
    config.concurrency_support(false);
    config.epoch_interruption(true);
    config.max_wasm_stack(Limits::STACK_BYTES);
    // One list, and nothing that wasmtime has on by default beside it.
    config.wasm_features(WasmFeatures::all(), false);
    config.wasm_features(FEATURES, true);
    // What a driver answers is the same on every machine, or a ledger could not
    // move to another: the bits of NaN and what relaxed SIMD leaves open.
    config.cranelift_nan_canonicalization(true);
    config.relaxed_simd_deterministic(true);
    // Else it depends on a variable of the environment.
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    let cache = match cache {
        Some(directory) => {
            let mut settings = CacheConfig::new();
            settings.with_directory(directory);
            settings.with_files_total_size_soft_limit(CACHE_BYTES);
            Some(Cache::new(settings)?)
        }
        None => None,
    };
    config.cache(cache.clone());
    Ok((Engine::new(&config)?, cache))
}

/// Starts the clock of all deadlines. It ends with the engine.
fn tick(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    thread::Builder::new().name("wipam-ticks".to_owned()).spawn(move || {
        loop {
            thread::sleep(Limits::TICK);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    })?;
    Ok(())
}
