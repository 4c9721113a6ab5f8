//! Log lines, on standard error.
//!
//! One line for each event, in which every character can be seen: what
//! strangers chose may be in any field.

use crate::fatal::Fatal;
use ipam_admin::json;
use ipam_api::text::escaped;
use serde::Deserialize;
use std::{
    fmt,
    io::{self, IsTerminal as _, Write, stderr},
    panic,
};
use tracing::field::{Field, Visit};
use tracing_subscriber::{
    EnvFilter,
    field::RecordFields,
    fmt::{FormatFields, format::Writer},
};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging as `format` and the `RUST_LOG` of the environment say.
pub(crate) fn start(format: LogFormat) -> Result<(), Fatal> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(&text)
            .map_err(|error| Fatal::Usage(format!("RUST_LOG={text}: {error}")))?,
        _ => EnvFilter::new("info"),
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter);
    match format {
        LogFormat::Text => lines
            .with_writer(stderr)
            .with_ansi(stderr().is_terminal())
            .with_target(false)
            .fmt_fields(Fields)
            .init(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_writer(|| Json(stderr())).init();
        }
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

/// Fields as text: the message as it is, and `name=value` for the others,
/// strings in quotes.
#[derive(Debug)]
struct Fields;

impl<'w> FormatFields<'w> for Fields {
    fn format_fields<R: RecordFields>(&self, to: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = Line { to, is_empty: true, written: Ok(()) };
        fields.record(&mut line);
        line.written
    }
}

struct Line<'w> {
    to: Writer<'w>,
    is_empty: bool,
    written: fmt::Result,
}

impl Line<'_> {
    fn write(&mut self, field: &Field, value: impl fmt::Display) {
        // The bridge from the crate `log` tells its own fields, too.
        if self.written.is_err() || field.name().starts_with("log.") {
            return;
        }
        let gap = if self.is_empty { "" } else { " " };
        self.is_empty = false;
        self.written = match field.name() {
            "message" => write!(self.to, "{gap}{}", escaped(value)),
            name => write!(self.to, "{gap}{name}={}", escaped(value)),
        };
    }
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        // A text that was escaped where it was made stays as it is.
        self.write(field, format_args!("\"{}\"", value.replace('"', "\\\"")));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field, format_args!("{value:?}"));
    }
}

/// Writes lines of JSON, one with each write, so that all of them can be seen.
struct Json<W>(W);

impl<W: Write> Write for Json<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut line = Vec::with_capacity(bytes.len());
        json::rewrite(&mut line, &String::from_utf8_lossy(bytes))?;
        self.0.write_all(&line)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, Json};
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };
    use tracing::subscriber::with_default;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn log() {
        let hostile = "a\nERROR \u{1b}[2J\u{9b}2J\u{202e}\"b\"";
        let _span = tracing::info_span!("request", pool = %hostile).entered();
        tracing::warn!(reason = hostile, shown = %hostile, debug = ?hostile, n = 7, "{hostile}");
    }

    #[test]
    fn no_field_of_a_text_line_forges_another() {
        let kept = Kept::default();
        let to = kept.clone();
        let lines = tracing_subscriber::fmt().without_time().with_target(false).with_ansi(false);
        with_default(lines.with_writer(move || to.clone()).fmt_fields(Fields).finish(), log);
        let plain = "a\\nERROR \\u{1b}[2J\\u{9b}2J\\u{202e}\"b\"";
        let quoted = "\"a\\nERROR \\u{1b}[2J\\u{9b}2J\\u{202e}\\\"b\\\"\"";
        let want = format!(
            " WARN request{{pool={plain}}}: {plain} reason={quoted} shown={plain} debug={quoted} \
             n=7\n"
        );
        assert_eq!(kept.text(), want);
    }

    #[test]
    fn no_field_of_a_json_line_is_hidden() {
        let kept = Kept::default();
        let to = kept.clone();
        let lines = tracing_subscriber::fmt().json().flatten_event(true);
        with_default(lines.with_writer(move || Json(to.clone())).finish(), log);
        let text = kept.text();
        let line = text.strip_suffix('\n').unwrap();
        assert!(line.chars().all(ipam_api::text::is_plain), "{line}");
        let read: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(read["reason"], "a\nERROR \u{1b}[2J\u{9b}2J\u{202e}\"b\"");
    }
}
