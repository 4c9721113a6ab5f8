//! What one driver may use.

use std::time::Duration;

/// What one driver may use. Nothing here can be switched off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest component that is compiled at all, in bytes.
    pub component_bytes: usize,
    /// Wall-clock time of one call, instantiation and `start` included.
    /// Measured in ticks of [`Limits::TICK`], so a call may run one longer.
    pub call_time: Duration,
    /// Linear memory of an instance, in bytes.
    pub memory_bytes: usize,
    /// Elements of each of its tables.
    pub table_elements: usize,
    /// Core instances, tables and memories that a component may be made of,
    /// of each.
    pub parts: usize,
    /// Bytes that one call may make the host copy: strings and lists of its
    /// answer and of the host functions it calls.
    pub copied_bytes: usize,
    /// Entries in the `data` of an answer.
    pub data_entries: usize,
    /// Bytes of all keys and values of the `data` of an answer.
    pub data_bytes: usize,
    /// Bytes of the text of a refusal; what is longer is cut.
    pub error_bytes: usize,
    /// Lines that one call may log; what is more is dropped and counted.
    pub log_lines: usize,
    /// Bytes of one line of the log; what is longer is cut.
    pub log_line_bytes: usize,
}

impl Limits {
    /// How often the clock of [`Limits::call_time`] ticks.
    pub const TICK: Duration = Duration::from_millis(10);
    /// The stack of WebAssembly code, in bytes: one for all, since it belongs
    /// to the engine.
    pub const STACK_BYTES: usize = 512 << 10;

    /// The time of a call in ticks, at least one.
    pub(crate) fn call_ticks(&self) -> u64 {
        let ticks = self.call_time.as_nanos().div_ceil(Self::TICK.as_nanos());
        // A deadline of n ticks passes at the n-th tick, which may come early.
        u64::try_from(ticks).unwrap_or(u64::MAX / 2).clamp(1, u64::MAX / 2) + 1
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            component_bytes: 64 << 20,
            call_time: Duration::from_secs(5),
            memory_bytes: 64 << 20,
            table_elements: 100_000,
            parts: 64,
            copied_bytes: 4 << 20,
            data_entries: 64,
            data_bytes: 16 << 10,
            error_bytes: 1 << 10,
            log_lines: 64,
            log_line_bytes: 4 << 10,
        }
    }
}
