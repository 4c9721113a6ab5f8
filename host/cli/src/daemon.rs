//! What the commands that ask a running daemon share: how to reach it, and how
//! its answers are printed.

use crate::{defaults::STATE_DIR, fatal::Fatal, output::Output};
use ipam_admin::{Client, ClientError, SOCKET, Timestamp, wire::Ask};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    io::{self, BufWriter, Stdout},
    path::{Path, PathBuf},
};

/// How to reach a running daemon, and how to print.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DaemonFlags {
    /// The daemon's state directory
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    pub(crate) state_dir: PathBuf,

    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// What the help of most of these commands ends with.
pub(crate) const AFTER_ASK: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong command line.";

/// What ends a command early.
pub(crate) enum Stop {
    Fatal(Fatal),
    /// Nobody reads what is printed any more.
    Output(io::Error),
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        Self::Fatal(Fatal::Failed(error.to_string()))
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// A reader that has enough, like `head`, is no failure.
pub(crate) fn result(stopped: Result<(), Stop>) -> Result<(), Fatal> {
    match stopped {
        Ok(()) => Ok(()),
        Err(Stop::Fatal(fatal)) => Err(fatal),
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(Stop::Output(error)) => Err(Fatal::Failed(format!("cannot print: {error}"))),
    }
}

pub(crate) fn connect(daemon: &DaemonFlags) -> Result<Client, Fatal> {
    let client = Client::connect(&daemon.state_dir.join(SOCKET));
    client.map_err(|error| Fatal::Failed(error.to_string()))
}

pub(crate) fn stdout() -> BufWriter<Stdout> {
    BufWriter::new(io::stdout())
}

/// Prints each item as it comes.
pub(crate) fn list<T: DeserializeOwned + Serialize>(
    daemon: &DaemonFlags,
    ask: &Ask,
    columns: &[&str],
    cells: impl Fn(&T) -> Vec<String>,
) -> Result<(), Fatal> {
    list_some(daemon, ask, columns, |_| true, cells)
}

/// Prints each item that is wanted, as it comes.
pub(crate) fn list_some<T: DeserializeOwned + Serialize>(
    daemon: &DaemonFlags,
    ask: &Ask,
    columns: &[&str],
    is_wanted: impl Fn(&T) -> bool,
    cells: impl Fn(&T) -> Vec<String>,
) -> Result<(), Fatal> {
    let mut client = connect(daemon)?;
    let mut output = Output::new(stdout(), daemon.json, columns);
    let told = client.ask(ask, |item: T| {
        if is_wanted(&item) {
            output.row(&item, &cells)?;
        }
        Ok::<_, Stop>(())
    });
    // What came before it failed is printed all the same.
    let printed = output.end();
    result(told.and_then(|notes| {
        note(&notes);
        Ok(printed?)
    }))
}

pub(crate) fn note(notes: &[String]) {
    notes.iter().for_each(|note| eprintln!("note: {note}"));
}

/// Prints what was done.
pub(crate) fn print(daemon: &DaemonFlags, item: &impl Serialize, words: &str) -> Result<(), Fatal> {
    let mut output = Output::new(stdout(), daemon.json, &[]);
    let printed = if daemon.json { output.row(item, |_| Vec::new()) } else { output.line(words) };
    result(printed.and_then(|()| output.end()).map_err(Stop::Output))
}

/// The daemon's directory is not ours.
pub(crate) fn absolute(file: &Path) -> Result<PathBuf, Fatal> {
    std::path::absolute(file).map_err(|error| Fatal::Usage(format!("{}: {error}", file.display())))
}

pub(crate) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

pub(crate) fn since(word: &str, moment: Option<Timestamp>) -> String {
    moment.map_or_else(|| word.to_owned(), |moment| format!("{word} since {moment}"))
}

/// Enough of a digest to tell two apart.
pub(crate) fn short(digest: Option<&str>) -> String {
    let digits = digest.map(|text| text.trim_start_matches("sha256:"));
    digits.and_then(|digits| digits.get(..12)).unwrap_or("-").to_owned()
}
