//! A compiled component: what it takes to make instances.

use crate::{
    Grants, Limits,
    bindings::{ipam, lifecycle, records, status},
    compile::Compiler,
    gate,
    halt::Halt,
    http::{self, Http},
    imports::State,
    inspect::{GrantKind, Need, inspect},
    instance::Instance,
    log::{Behaviour, Budget},
    quota::Allowance,
    shape,
};
use ipam_api::{
    Callback, Digest, Driver, Factory, Failure, Start,
    text::{Bounded, bounded, joined},
};
use std::{fmt::Write as _, io, sync::Arc, time::Duration};
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
    /// [`InstanceLimits::start_time`](crate::InstanceLimits::start_time) in ticks of the engine's clock.
    pub(crate) start_ticks: u64,
    /// [`CallLimits::time`](crate::CallLimits::time), likewise.
    pub(crate) call_ticks: u64,
    pub(crate) halt: Halt,
    pub(crate) log_budget: Arc<Budget>,
    /// What all its live instances have left.
    pub(crate) allowance: Arc<Allowance>,
    /// What the host keeps for each of them, in bytes.
    pub(crate) host_bytes: usize,
    pub(crate) grants: Arc<Grants>,
    pub(crate) pre: InstancePre<State>,
    pub(crate) lifecycle: Arc<lifecycle::GuestIndices>,
    pub(crate) ipam: Arc<ipam::GuestIndices>,
    pub(crate) status: Option<Arc<status::GuestIndices>>,
    pub(crate) records: Option<Arc<records::GuestIndices>>,
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
    /// It is larger than [`CompileLimits::component_bytes`](crate::CompileLimits::component_bytes).
    #[error("it has more than {0} bytes, the most that limits.compile.component allows")]
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
    /// It has more of something than [`Limits`] allow.
    #[error("it has {found} {what}; limits.{key} allows {most}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit, as the operator's configuration calls it.
        key: &'static str,
        /// How many are allowed.
        most: u64,
        /// How many there are, as far as it was read.
        found: u64,
    },
    /// It imports or exports more by itself than any driver.
    #[error("it has more than {1} {0}")]
    TooManyNames(&'static str, usize),
    /// It needs a proposal to WebAssembly that is off.
    #[error(
        "it needs {proposal}, which drivers do not get here: build it without {way_out}: {said}"
    )]
    Proposal {
        /// Its name.
        proposal: &'static str,
        /// What to switch off.
        way_out: &'static str,
        /// The validator's words.
        said: String,
    },
    /// It instantiates a module or a component that is not one of its own.
    #[error("it instantiates a module that it does not contain, which no driver needs")]
    ForeignPart,
    /// It is for a later WASI.
    #[error("it is built for WASI {0}; build it for wasm32-wasip2")]
    LaterWasi(String),
    /// The engine does not accept it.
    #[error("it is not a component that this host can run: {0}")]
    Invalid(String),
    /// It takes longer to compile than [`CompileLimits::time`](crate::CompileLimits::time).
    #[error("compiling it takes more than {0:?}, the most that limits.compile.time allows")]
    TooSlow(Duration),
    /// The host ends, and nothing is compiled any more.
    #[error("it is not compiled: the host ends")]
    Halted,
    /// The compiler was stopped at one of its limits, or is out of order.
    #[error("it could not be compiled: {0}")]
    Compiler(String),
    /// It is not a driver.
    #[error("it does not export {}", list(.0.iter()))]
    MissingExports(Vec<String>),
    /// It wants something that drivers do not get.
    #[error("it imports what was not granted: {}", ungranted(.0))]
    UngrantedImports(Vec<Need>),
    /// It is for another version of the contract.
    #[error(
        "it is built for ipam:driver@{0}, and this host serves 0.1: \
         build it with the wit/ that `wipam new` writes"
    )]
    OtherContract(String),
    /// Its types are not those of the contract.
    #[error(
        "it does not fit ipam:driver@0.1.0: {0}: build it with the wit/ that `wipam new` writes"
    )]
    Mismatch(String),
}

/// How much of a list of names is said, in bytes.
const LIST_BYTES: usize = 4 << 10;

/// As many names as there is room for, and how many there are if that is not
/// all.
fn list<'a>(names: impl ExactSizeIterator<Item = &'a String> + Clone) -> String {
    let mut said = Bounded::new(LIST_BYTES);
    // An error says that there was no more room, and so does `is_cut`.
    let _ = write!(said, "{}", joined(names.clone(), ", "));
    let all = if said.is_cut() { format!(" ({} in all)", names.len()) } else { String::new() };
    said.finish() + &all
}

/// What was not granted, and for each kind the line that grants it.
fn ungranted(needs: &[Need]) -> String {
    let kinds = [Some(GrantKind::Http), Some(GrantKind::Store), Some(GrantKind::Plugins), None];
    let of = |kind| needs.iter().filter(move |need| need.grant == kind).map(|need| &need.import);
    let said = kinds.into_iter().filter_map(|kind| {
        let imports: Vec<&String> = of(kind).collect();
        let is_around = imports.iter().any(|it| it.starts_with("ipam:driver/ipam@"));
        let imports = (!imports.is_empty()).then(|| list(imports.into_iter()))?;
        Some(match kind {
            Some(kind) => format!("{imports}: write {} into its table", kind.line()),
            None if is_around => format!(
                "{imports}: it is made to be around another driver: \
                 wipam compose FILE --around INNER -o OUT"
            ),
            None => format!("{imports}: no grant provides that"),
        })
    });
    said.collect::<Vec<_>>().join("; ")
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
        if bytes.len() > limits.compile.component_bytes {
            return Err(LoadError::TooLarge(limits.compile.component_bytes));
        }
        // Nothing is compiled that is not wanted anyway.
        let inspection = inspect(bytes)?;
        inspection.judge(grants)?;
        let footprint = gate::pass(bytes, &limits)?;
        let handles = Http::handles(grants, &limits).saturating_mul(Limits::HANDLE_BYTES);
        let host_bytes = usize::try_from(footprint.host_bytes).unwrap_or(usize::MAX);
        if let Some(compiler) = compiler {
            compiler.compile(bytes, &limits)?;
        }
        // The engine's words hold names that the component chose.
        let words =
            |error: wasmtime::Error| bounded(limits.answer.report_bytes, format_args!("{error:#}"));
        let compiled = component::Component::from_binary(engine, bytes)
            .map_err(|error| LoadError::Invalid(words(error)))?;

        let mismatch = |error: wasmtime::Error| LoadError::Mismatch(words(error));
        let linker = http::link(linker, grants).map_err(mismatch)?;
        let pre = linker.instantiate_pre(&compiled).map_err(mismatch)?;
        shape::check(&pre).map_err(mismatch)?;
        let lifecycle = lifecycle::GuestIndices::new(&pre).map_err(mismatch)?;
        let ipam = ipam::GuestIndices::new(&pre).map_err(mismatch)?;
        let status = status::GuestIndices::new(&pre).ok();
        let records = records::GuestIndices::new(&pre).ok();
        Ok(Self {
            label: label.into(),
            digest: inspection.digest,
            start_ticks: Limits::ticks(limits.instance.start_time),
            call_ticks: Limits::ticks(limits.call.time),
            halt: Halt::default(),
            log_budget: Arc::new(Budget::new(&limits)),
            allowance: Allowance::new(&limits),
            host_bytes: host_bytes.saturating_add(handles),
            grants: Arc::new(grants.clone()),
            limits: Arc::new(limits),
            pre,
            lifecycle: Arc::new(lifecycle),
            ipam: Arc::new(ipam),
            status: status.map(Arc::new),
            records: records.map(Arc::new),
        })
    }

    /// What its instances did beside what they answered, so far.
    #[must_use]
    pub fn behaviour(&self) -> Behaviour {
        self.log_budget.behaviour()
    }

    /// The same component, whose instances have its limits for themselves, and
    /// not together with those of this one.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self { allowance: Allowance::new(&self.limits), ..self.clone() }
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

    fn replay_time(&self) -> Option<Duration> {
        Some(self.limits.instance.replay_time)
    }

    fn halt(&self) {
        self.halt.set();
    }

    fn has_records(&self) -> bool {
        self.records.is_some()
    }

    fn digest(&self) -> Option<Digest> {
        Some(self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::{GrantKind, LoadError, Need};

    #[test]
    fn a_list_of_names_is_as_long_as_it_may_be() {
        let few = LoadError::MissingExports(vec!["a:b/c".to_owned(), "d:e/f".to_owned()]);
        assert_eq!(few.to_string(), "it does not export a:b/c, d:e/f");
        let many = LoadError::MissingExports(vec!["x".repeat(256); 600]).to_string();
        assert!(many.len() < 5 << 10 && many.ends_with("xx… (600 in all)"), "{many}");
    }

    #[test]
    fn what_was_not_granted_is_named_with_the_line_that_grants_it() {
        let need = |import: &str, grant| Need { import: import.to_owned(), grant };
        let refusal = LoadError::UngrantedImports(vec![
            need("acme:secret/backdoor@1.0.0", None),
            need("wasi:http/types@0.2.0", Some(GrantKind::Http)),
            need("ipam:driver/store@0.1.0", Some(GrantKind::Store)),
            need("wasi:http/outgoing-handler@0.2.0", Some(GrantKind::Http)),
        ]);
        assert_eq!(
            refusal.to_string(),
            "it imports what was not granted: wasi:http/types@0.2.0, \
             wasi:http/outgoing-handler@0.2.0: write http = [\"https://SERVER/PATH\"] into its table; \
             ipam:driver/store@0.1.0: write store = { max-bytes = 1048576, max-keys = 1000 } into its \
             table; acme:secret/backdoor@1.0.0: no grant provides that"
        );
        let around = LoadError::UngrantedImports(vec![
            need("ipam:driver/lifecycle@0.1.0", None),
            need("ipam:driver/ipam@0.1.0", None),
        ]);
        assert_eq!(
            around.to_string(),
            "it imports what was not granted: ipam:driver/lifecycle@0.1.0, ipam:driver/ipam@0.1.0: \
             it is made to be around another driver: wipam compose FILE --around INNER -o OUT"
        );
        let many = LoadError::UngrantedImports(vec![need(&"x".repeat(256), None); 600]).to_string();
        assert!(many.len() < 5 << 10 && many.contains("xx… (600 in all)"), "{many}");
    }
}
