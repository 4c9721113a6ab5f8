//! What an operator is told when an instance failed: the cause first, in the
//! driver's own words if it had any, then which call it was with what it was
//! asked, where in the component that was, and what it was allowed.
//!
//! All of it is for the operator. A caller hears of an internal error, because
//! that is all that [`Failure::contract`] says.
//!
//! Names of functions are the component's own text and may be made to unfold
//! without end. All is written into writers that stop, and only Rust's names
//! are unfolded at all: those of C++ cannot be bounded, because their
//! demangler unfolds them before it writes anything.

use crate::{Limits, last_words::Cause};
use ipam_api::{Failure, text::bounded};
use std::{
    fmt::{self, Display},
    time::Duration,
};
use wasmtime::{FrameInfo, Trap, WasmBacktrace};

/// How much of the name of a function is shown, in bytes.
const NAME_MAX_BYTES: usize = 512;
/// The longest name that is unfolded, in bytes. Those of Rust's functions
/// rarely have a tenth of it.
const MANGLED_MAX_BYTES: usize = 4 << 10;

/// One call that may fail.
pub(crate) struct Report<'a> {
    pub(crate) call: &'static str,
    /// How long it may take.
    pub(crate) time: Duration,
    /// What it was asked, as its arguments.
    pub(crate) request: &'a dyn Display,
    pub(crate) limits: &'a Limits,
}

impl Report<'_> {
    /// The call did not return. The error holds the backtrace, with the names
    /// of functions if the component has kept them; `said` is what the driver
    /// said of it before.
    pub(crate) fn trap(&self, error: &wasmtime::Error, said: Option<Cause>) -> Failure {
        match (error.downcast_ref::<Trap>(), said) {
            (Some(Trap::Interrupt), _) => self.failure(
                format_args!("took more than {:?}", self.time),
                format_args!("; {}{}", ended(error), frames(error)),
            ),
            (_, Some(Cause { message, trace })) => self.failure(
                message,
                format_args!("; {}{}{}", ended(error), lines(&trace), frames(error)),
            ),
            (_, None) => self.failure(ended(error), frames(error)),
        }
    }

    /// The call returned what the contract forbids.
    pub(crate) fn violation(&self, rule: &str) -> Failure {
        self.failure(format_args!("answered {rule}"), "")
    }

    fn failure(&self, cause: impl Display, trace: impl Display) -> Failure {
        let bytes_max = self.limits.answer.report_bytes;
        Failure::broken(format_args!(
            "{}; in {}({}){}; allowed: {}",
            bounded(bytes_max, cause),
            self.call,
            bounded(bytes_max, self.request),
            bounded(bytes_max, trace),
            self.limits
        ))
    }
}

/// How a call ended: the causes, the last one first.
fn ended(error: &wasmtime::Error) -> impl Display {
    fmt::from_fn(move |to| {
        let mut between = "";
        for cause in error.chain().filter(|cause| !is_backtrace(cause)) {
            write!(to, "{between}{cause}")?;
            between = ": ";
        }
        Ok(())
    })
}

/// Where it ended, innermost first.
fn frames(error: &wasmtime::Error) -> impl Display {
    let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames);
    fmt::from_fn(move |to| frames.iter().try_for_each(|frame| write!(to, "; at {}", place(frame))))
}

fn lines(trace: &[String]) -> impl Display {
    fmt::from_fn(move |to| trace.iter().try_for_each(|line| write!(to, "; {line}")))
}

/// Whether a cause is the engine's own list of frames, which is told only by
/// its words.
fn is_backtrace(cause: impl Display) -> bool {
    const BEGIN: &str = "error while executing at wasm backtrace:";
    bounded(BEGIN.len() + 8, cause).starts_with(BEGIN)
}

/// Where a frame is: its module, its function, and the offset in the module.
fn place(frame: &FrameInfo) -> impl Display {
    fmt::from_fn(move |to| {
        let module = bounded(NAME_MAX_BYTES, frame.module().name().unwrap_or("<unknown>"));
        write!(to, "{module}!")?;
        match frame.func_name() {
            Some(name) => write!(to, "{}", bounded(NAME_MAX_BYTES, unfolded(name)))?,
            None => write!(to, "<wasm function {}>", frame.func_index())?,
        }
        frame.module_offset().map_or(Ok(()), |offset| write!(to, " ({offset:#x})"))
    })
}

/// A function's name as its author wrote it, if it is one of Rust's; else as it
/// is.
fn unfolded(name: &str) -> impl Display {
    fmt::from_fn(move |to| match rustc_demangle::try_demangle(name) {
        Ok(rust) if name.len() <= MANGLED_MAX_BYTES => write!(to, "{rust:#}"),
        _ => to.write_str(name),
    })
}

#[cfg(test)]
mod tests {
    use super::{NAME_MAX_BYTES, unfolded};
    use ipam_api::text::bounded;

    #[track_caller]
    fn check(name: &str, want: &str) {
        assert_eq!(bounded(NAME_MAX_BYTES, unfolded(name)), want);
    }

    #[test]
    fn names_of_rust_are_unfolded_and_others_are_not() {
        check("boom", "boom");
        check("_ZN4core9panicking5panic17h0123456789abcdefE", "core::panicking::panic");
        check("_RNvCskwGfYPst2Cb_3lab4boom", "lab::boom");
        check("_ZN3lab3$LT$E\n", "_ZN3lab3$LT$E\\n");
        check("_ZNSt6vectorIiSaIiEE9push_backEOi", "_ZNSt6vectorIiSaIiEE9push_backEOi");
    }

    /// Each type is a pair of the one before it, by reference: 2^40 words.
    #[test]
    fn a_name_of_rust_that_unfolds_without_end_is_cut() {
        let mut name = String::from("_RIC1aT");
        let mut before = 0;
        let base62 = |mut number: usize| {
            let mut digits = vec![b'_'];
            while number > 0 {
                number -= 1;
                let digit = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
                digits.push(digit[number % 62]);
                number /= 62;
            }
            digits.reverse();
            String::from_utf8(digits).unwrap()
        };
        name += "T";
        let mut at = name.len() - 1 - "_R".len();
        name += "llE";
        for _ in 0..40 {
            before = at;
            at = name.len() - "_R".len();
            name += &format!("TB{0}B{0}E", base62(before));
        }
        name += "EE";
        assert!(name.len() < 1000 && before > 0);
        let shown = bounded(NAME_MAX_BYTES, unfolded(&name));
        assert!(shown.ends_with('…') && shown.len() <= NAME_MAX_BYTES, "{shown}");
        assert!(shown.starts_with("a::<((i32, i32), ((i32, i32), (i32, i32)), "), "{shown}");
    }
}
