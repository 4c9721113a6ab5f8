//! What one driver may use.

use std::{fmt, time::Duration};

/// What one driver may use. Nothing here can be switched off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest component that is compiled at all, in bytes.
    pub component_bytes: usize,
    /// Wall-clock time of its compilation. Bounds a compiler that is a process
    /// of its own, [`Runtime::with_compiler`](crate::Runtime::with_compiler),
    /// and no other.
    pub compile_time: Duration,
    /// Address space of that process, in bytes.
    pub compile_memory_bytes: u64,
    /// The largest result of a compilation that is loaded, in bytes, as far as
    /// that process makes it.
    pub compiled_bytes: u64,
    /// Wall-clock time until an instance has started: instantiation and
    /// `start`. Measured in ticks of [`Limits::TICK`], so it may take one more.
    pub start_time: Duration,
    /// Wall-clock time of each other call, those of replay included. Measured
    /// in ticks, too. A host function that waits, which only a driver with
    /// [`Grants::http`](crate::Grants::http) or
    /// [`Grants::plugins`](crate::Grants::plugins) can make one do, waits no
    /// longer than this.
    pub call_time: Duration,
    /// Wall-clock time in which an instance must have learnt all that was
    /// granted; whoever replays holds it to that.
    pub replay_time: Duration,
    /// Memory of all instances of a component that are alive, in bytes: their
    /// linear memories, and what the host keeps for each of them, as it is
    /// estimated before the component is compiled.
    pub memory_bytes: usize,
    /// Elements of all tables of these instances together.
    pub table_elements: usize,
    /// Core instances, tables and memories that an instance may be made of,
    /// of each. A core module counts as often as it is instantiated.
    pub parts: usize,
    /// Core modules and components in a component, those in each other
    /// included.
    pub modules: usize,
    /// Functions of all its core modules, and those between them and the host.
    pub functions: usize,
    /// Types that it and its parts define.
    pub types: usize,
    /// Bytes of these definitions.
    pub type_bytes: usize,
    /// Globals of an instance: those of a core module count as often as it is
    /// instantiated.
    pub globals: usize,
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
    /// Names that it may register. Each is served by an instance of its own,
    /// and all of them have these limits together. Whoever hosts it holds this
    /// one, because a runtime knows one instance alone.
    pub names: usize,
    /// Handles of resources, such as streams and timers, that an instance has
    /// at a time. What they may cost the host, [`Limits::HANDLE_BYTES`] each, is
    /// taken from [`Limits::memory_bytes`] when it starts.
    pub handles: usize,
    /// Bytes that one answer, or one call of a host function, may make the
    /// host copy: all its strings and lists together. Judged before they are.
    pub copied_bytes: usize,
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
    /// Bytes of what the operator is told of a failure; what is longer is cut.
    pub report_bytes: usize,
    /// Lines that all instances of a component may log in a second; what is
    /// more is dropped and counted.
    pub log_lines: u32,
    /// Bytes of one line of the log; what is longer is cut.
    pub log_line_bytes: usize,
    /// HTTP requests that one call may make, those that are refused included.
    pub http_requests: u32,
    /// Connections that an instance has at a time, the look-up of a name
    /// included; further requests wait for one.
    pub http_connections: usize,
    /// Bytes of the body of an HTTP request, and of that of its response.
    pub http_body_bytes: usize,
    /// Bytes of what comes before such a body, as either side keeps it; at
    /// least 8 KiB, even if this is less.
    pub http_head_bytes: usize,
    /// In place of [`Limits::handles`] for a driver that may ask by HTTP, if it
    /// is less: its handles stand for bodies and heads.
    pub http_handles: usize,
    /// Wall-clock time of one call of a legacy plugin, within 9/10 of what is
    /// left of the driver's; finding out whether it is there takes a quarter
    /// of it.
    pub plugin_time: Duration,
    /// Calls of plugins that one call of the driver may make, looking for them
    /// included.
    pub plugin_calls: u32,
    /// Bytes of what a plugin is asked, and of what it answers.
    pub plugin_body_bytes: usize,
}

impl Limits {
    /// How often the clock of [`Limits::call_time`] ticks. It never ticks
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
        let ms = |time: Duration| time.as_millis();
        write!(
            f,
            "start-ms = {}, call-ms = {}, memory-bytes = {}, table-elements = {}, parts = {}, \
             handles = {}, copied-bytes = {}, name-bytes = {}, address-space-bytes = {}, \
             data-entries = {}, data-bytes = {}, error-bytes = {}, http-requests = {}, \
             http-connections = {}, http-body-bytes = {}, http-head-bytes = {}, \
             http-handles = {}, plugin-ms = {}, plugin-calls = {}, plugin-body-bytes = {}",
            ms(self.start_time),
            ms(self.call_time),
            self.memory_bytes,
            self.table_elements,
            self.parts,
            self.handles,
            self.copied_bytes,
            self.name_bytes,
            self.address_space_bytes,
            self.data_entries,
            self.data_bytes,
            self.error_bytes,
            self.http_requests,
            self.http_connections,
            self.http_body_bytes,
            self.http_head_bytes,
            self.http_handles,
            ms(self.plugin_time),
            self.plugin_calls,
            self.plugin_body_bytes,
        )
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            component_bytes: 64 << 20,
            compile_time: Duration::from_mins(1),
            compile_memory_bytes: 4 << 30,
            compiled_bytes: 256 << 20,
            start_time: Duration::from_secs(10),
            call_time: Duration::from_secs(5),
            replay_time: Duration::from_mins(1),
            memory_bytes: 64 << 20,
            table_elements: 100_000,
            parts: 64,
            modules: 256,
            functions: 200_000,
            types: 50_000,
            type_bytes: 1 << 20,
            globals: 20_000,
            imports: 50_000,
            exports: 50_000,
            segments: 100_000,
            symbol_bytes: 16 << 10,
            symbol_total_bytes: 16 << 20,
            names: 1,
            handles: 1_024,
            copied_bytes: 1 << 20,
            name_bytes: 64,
            address_space_bytes: 256,
            data_entries: 64,
            data_bytes: 16 << 10,
            error_bytes: 1 << 10,
            report_bytes: 8 << 10,
            log_lines: 64,
            log_line_bytes: 4 << 10,
            http_requests: 64,
            http_connections: 8,
            http_body_bytes: 8 << 20,
            http_head_bytes: 64 << 10,
            http_handles: 128,
            plugin_time: Duration::from_secs(4),
            plugin_calls: 128,
            plugin_body_bytes: 1 << 20,
        }
    }
}
