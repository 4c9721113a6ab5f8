//! Log lines, on standard error.

use crate::{Fatal, config::LogFormat};
use std::{
    io::{IsTerminal as _, stderr},
    panic,
};
use tracing_subscriber::EnvFilter;

/// Starts logging as `format` and the `RUST_LOG` of the environment say.
pub(crate) fn start(format: LogFormat) -> Result<(), Fatal> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(&text)
            .map_err(|error| Fatal::Usage(format!("RUST_LOG={text}: {error}")))?,
        _ => EnvFilter::new("info"),
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match format {
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).with_target(false).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    // A panic over a damaged ledger is told once, as the error it becomes.
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !ipam_ledger::catches_panics() {
            tell(panic);
        }
    }));
    Ok(())
}
