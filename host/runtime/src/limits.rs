//! What one driver may use.

use std::{fmt, time::Duration};

/// What one driver may use. Nothing here can be switched off.
///
/// The configuration has these groups and fields under `[driver.limits]`, the
/// sizes without `_bytes` and the times without `_time`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// What a component may be made of, and what compiling it may cost.
    pub compile: CompileLimits,
    /// What the instances of a component may have.
    pub instance: InstanceLimits,
    /// What one call may take.
    pub call: CallLimits,
    /// How long may be what a driver says.
    pub answer: AnswerLimits,
    /// What a driver with [`Grants::http`](crate::Grants::http) may ask.
    pub http: HttpLimits,
    /// What a driver with [`Grants::plugins`](crate::Grants::plugins) may ask.
    pub plugins: PluginLimits,
}

/// What a component may be made of, and what compiling it may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileLimits {
    /// The largest component that is compiled at all, in bytes.
    pub component_bytes: usize,
    /// Wall-clock time of its compilation. Bounds a compiler that is a process
    /// of its own, [`Runtime::with_compiler`](crate::Runtime::with_compiler),
    /// and no other.
    pub time: Duration,
    /// Address space of that process, in bytes.
    pub memory_bytes: u64,
    /// The largest result of a compilation that is loaded, in bytes, as far as
    /// that process makes it.
    pub code_bytes: u64,
    /// Core modules and components in a component, those in each other
    /// included.
    pub modules: usize,
    /// Functions of all its core modules, and those between them and the host.
    pub functions: usize,
    /// Types that it and its parts define.
    pub types: usize,
    /// Bytes of these definitions.
    pub type_bytes: usize,
    /// What it and its parts import of each other and of the host.
    pub imports: usize,
    /// What they export to each other and to the host.
    pub exports: usize,
    /// Segments of data and of elements of tables.
    pub segments: usize,
    /// Bytes of the name of an import, of an export or of a function.
    pub symbol_bytes: usize,
    /// Bytes of all names of functions, which backtraces show.
    pub symbol_total_bytes: usize,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            component_bytes: 64 << 20,
            time: Duration::from_mins(1),
            memory_bytes: 4 << 30,
            code_bytes: 256 << 20,
            modules: 256,
            functions: 200_000,
            types: 50_000,
            type_bytes: 1 << 20,
            imports: 50_000,
            exports: 50_000,
            segments: 100_000,
            symbol_bytes: 16 << 10,
            symbol_total_bytes: 16 << 20,
        }
    }
}

/// What the instances of a component may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceLimits {
    /// Wall-clock time until an instance has started: instantiation and
    /// `start`. Measured in ticks of [`Limits::TICK`], so it may take one more.
    pub start_time: Duration,
    /// Wall-clock time in which an instance must have learnt all that was
    /// granted; whoever replays holds it to that.
    pub replay_time: Duration,
    /// Memory of all instances of a component that are alive, in bytes: their
    /// linear memories, and what the host keeps for each of them, as it is
    /// estimated before the component is compiled.
    pub memory_bytes: usize,
    /// Elements of all tables of these instances together.
    pub table_elements: usize,
    /// Core instances of an instance, its tables, and its memories: so many of
    /// each. A core module counts as often as it is instantiated.
    pub instances_max: usize,
    /// Globals of an instance: those of a core module count as often as it is
    /// instantiated.
    pub globals: usize,
    /// Names that it may register. Each is served by an instance of its own,
    /// and all of them have these limits together. Whoever hosts it holds this
    /// one, because a runtime knows one instance alone.
    pub names: usize,
    /// Handles of resources, such as streams and timers, that an instance has
    /// at a time. What they may cost the host, [`Limits::HANDLE_BYTES`] each, is
    /// taken from [`InstanceLimits::memory_bytes`] when it starts.
    pub handles: usize,
}

impl Default for InstanceLimits {
    fn default() -> Self {
        Self {
            start_time: Duration::from_secs(10),
            replay_time: Duration::from_mins(1),
            memory_bytes: 64 << 20,
            table_elements: 100_000,
            instances_max: 64,
            globals: 20_000,
            names: 1,
            handles: 1_024,
        }
    }
}

/// What one call may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallLimits {
    /// Wall-clock time of each other call, those of replay included. Measured
    /// in ticks, too. A host function that waits, which only a driver with
    /// [`Grants::http`](crate::Grants::http) or
    /// [`Grants::plugins`](crate::Grants::plugins) can make one do, waits no
    /// longer than this.
    pub time: Duration,
    /// Bytes that one answer, or one call of a host function, may make the
    /// host copy, all strings and lists together: wasmtime's hostcall fuel.
    /// Judged before anything is copied.
    pub hostcall_fuel: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(5), hostcall_fuel: 1 << 20 }
    }
}

/// How long may be what a driver says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerLimits {
    /// Bytes of a name that it registers.
    pub name_bytes: usize,
    /// Bytes of the name of an address space.
    pub address_space_bytes: usize,
    /// Entries in the `data` of an answer.
    pub data_entries: usize,
    /// Bytes of all keys and values of the `data` of an answer.
    pub data_bytes: usize,
    /// Bytes of the text of a refusal; what is longer is cut.
    pub error_bytes: usize,
    /// Bytes of what the operator is told of a failure: its cause, what was asked,
    /// and the trace, each; what is longer is cut.
    pub report_bytes: usize,
    /// Lines that all instances of a component may log in a second; what is
    /// more is dropped and counted.
    pub log_lines: u32,
    /// Bytes of one line of the log; what is longer is cut.
    pub log_line_bytes: usize,
}

impl Default for AnswerLimits {
    fn default() -> Self {
        Self {
            name_bytes: 64,
            address_space_bytes: 256,
            data_entries: 64,
            data_bytes: 16 << 10,
            error_bytes: 1 << 10,
            report_bytes: 8 << 10,
            log_lines: 64,
            log_line_bytes: 4 << 10,
        }
    }
}

/// What a driver with [`Grants::http`](crate::Grants::http) may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpLimits {
    /// HTTP requests that one call may make, those that are refused included.
    pub requests: u32,
    /// Connections that an instance has at a time, the look-up of a name
    /// included; further requests wait for one.
    pub connections: usize,
    /// Bytes of the body of an HTTP request, and of that of its response.
    pub body_bytes: usize,
    /// Bytes of what comes before such a body, as either side keeps it; at
    /// least 8 KiB, even if this is less.
    pub head_bytes: usize,
    /// In place of [`InstanceLimits::handles`] for a driver that may ask by HTTP, if it
    /// is less: its handles stand for bodies and heads.
    pub handles: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            requests: 64,
            connections: 8,
            body_bytes: 8 << 20,
            head_bytes: 64 << 10,
            handles: 128,
        }
    }
}

/// What a driver with [`Grants::plugins`](crate::Grants::plugins) may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginLimits {
    /// Wall-clock time of one call of a legacy plugin, within 9/10 of what is
    /// left of the driver's; finding out whether it is there takes a quarter
    /// of it.
    pub time: Duration,
    /// Calls of plugins that one call of the driver may make, looking for them
    /// included.
    pub calls: u32,
    /// Bytes of what a plugin is asked, and of what it answers.
    pub body_bytes: usize,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(4), calls: 128, body_bytes: 1 << 20 }
    }
}

impl Limits {
    /// How often the clock of [`CallLimits::time`] ticks. It never ticks
    /// early; on a machine that has no time for it, it ticks late.
    pub const TICK: Duration = Duration::from_millis(10);
    /// A call that takes a year does not come back.
    pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    /// What a handle costs the host at most, in bytes, bodies of HTTP aside.
    pub const HANDLE_BYTES: usize = 512;
    /// The stack of WebAssembly code, in bytes: one for all, since it belongs
    /// to the engine.
    pub const STACK_BYTES: usize = 512 << 10;

    /// A time in ticks, at least one.
    pub(crate) fn ticks(time: Duration) -> u64 {
        let ticks = time.as_nanos().div_ceil(Self::TICK.as_nanos());
        // A deadline of n ticks passes at the n-th tick, which may come early.
        u64::try_from(ticks).unwrap_or(u64::MAX / 2).clamp(1, u64::MAX / 2) + 1
    }
}

/// What a driver is allowed while it runs, by the keys of its table in the
/// configuration; what bounds its file and its compilation is said where that
/// is refused.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instance, call, answer, http, plugins, .. } = self;
        write!(
            f,
            "instance.start = {:?}, call.time = {:?}, instance.memory = {}B, \
             instance.table-elements = {}, instance.instances-max = {}, instance.handles = {}, \
             call.hostcall-fuel = {}B, answer.name = {}B, answer.address-space = {}B, \
             answer.data-entries = {}, answer.data = {}B, answer.error = {}B, \
             http.requests = {}, http.connections = {}, http.body = {}B, http.head = {}B, \
             http.handles = {}, plugins.time = {:?}, plugins.calls = {}, plugins.body = {}B",
            instance.start_time,
            call.time,
            instance.memory_bytes,
            instance.table_elements,
            instance.instances_max,
            instance.handles,
            call.hostcall_fuel,
            answer.name_bytes,
            answer.address_space_bytes,
            answer.data_entries,
            answer.data_bytes,
            answer.error_bytes,
            http.requests,
            http.connections,
            http.body_bytes,
            http.head_bytes,
            http.handles,
            plugins.time,
            plugins.calls,
            plugins.body_bytes,
        )
    }
}
