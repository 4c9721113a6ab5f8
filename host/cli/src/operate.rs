//! The commands that ask a running daemon.

use crate::{Fatal, args::DaemonFlags, output::Output};
use ipam_admin::{
    Client, ClientError, SOCKET, Timestamp,
    wire::{Address, Ask, Check, Condition, Driver, Pool, Tenure, Upgraded},
};
use ipam_api::text::bounded;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    cell::Cell,
    io::{self, BufWriter, Stdout},
    net::IpAddr,
    path::{Path, PathBuf},
};

/// What ends a command early.
enum Stop {
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
fn result(stopped: Result<(), Stop>) -> Result<(), Fatal> {
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

fn stdout() -> BufWriter<Stdout> {
    BufWriter::new(io::stdout())
}

/// Prints each item as it comes.
fn list<T: DeserializeOwned + Serialize>(
    daemon: &DaemonFlags,
    ask: &Ask,
    columns: &[&str],
    cells: impl Fn(&T) -> Vec<String>,
) -> Result<(), Fatal> {
    list_some(daemon, ask, columns, |_| true, cells)
}

/// Prints each item that is wanted, as it comes.
fn list_some<T: DeserializeOwned + Serialize>(
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

pub(crate) fn drivers(daemon: &DaemonFlags) -> Result<(), Fatal> {
    let columns = [
        "NAME",
        "STATE",
        "ORIGIN",
        "DOCKER",
        "POOLS",
        "ADDRESSES",
        "OWED",
        "ANSWERS",
        "FAILURES",
        "MEMORY",
        "DIGEST",
        "REASON",
    ];
    list(daemon, &Ask::Drivers, &columns, |driver: &Driver| {
        let state = match driver.condition {
            Condition::Serving => "serving".to_owned(),
            Condition::Busy => "busy".to_owned(),
            Condition::Failing => match driver.paused_until {
                Some(until) => format!("paused until {until}"),
                None => since("failing", driver.failing_since),
            },
            Condition::Absent => "not loaded".to_owned(),
        };
        vec![
            driver.name.clone(),
            state,
            or_dash(driver.origin.clone()),
            or_dash(driver.docker_name.clone()),
            or_dash(driver.pools),
            or_dash(driver.addresses),
            or_dash(driver.owed),
            driver.answers.to_string(),
            driver.failures.to_string(),
            format!("{} KiB", driver.memory_bytes >> 10),
            short(driver.digest.as_deref()),
            // A backtrace is long; all of it is in the log and in JSON.
            driver.last_failure.as_deref().map(|it| bounded(80, it)).unwrap_or_default(),
        ]
    })
}

pub(crate) fn pools(
    daemon: &DaemonFlags,
    driver: Option<String>,
    pool: Option<String>,
    only_stale: bool,
) -> Result<(), Fatal> {
    let mut columns = vec![
        "DRIVER",
        "POOL",
        "PREFIX",
        "SUB-POOL",
        "ASKED",
        "HOLDS",
        "ADDRESSES",
        "IN USE",
        "FREE",
        "GRANTED",
        "BY",
    ];
    if only_stale {
        columns.push("STALE");
    }
    let ask = Ask::Pools { driver, pool, with_status: true };
    let is_wanted = |pool: &Pool| !only_stale || pool.stale || pool.stale_addresses > 0;
    list_some(daemon, &ask, &columns, is_wanted, |pool: &Pool| {
        let stale = match pool.stale {
            true => "all".to_owned(),
            false => format!("{} addresses", pool.stale_addresses),
        };
        let mut cells = vec![
            pool.driver.clone(),
            pool.pool_id.clone(),
            pool.prefix.to_string(),
            or_dash(pool.sub_pool),
            pool.asked.clone(),
            pool.holds.to_string(),
            pool.addresses.to_string(),
            or_dash(pool.status.map(|status| status.ips_in_use)),
            or_dash(pool.status.map(|status| status.dynamic_ips_available)),
            or_dash(pool.granted_at),
            pool.granted_by.clone(),
        ];
        cells.extend(only_stale.then_some(stale));
        cells
    })
}

pub(crate) fn addresses(
    daemon: &DaemonFlags,
    driver: Option<String>,
    pool: Option<String>,
    address: Option<IpAddr>,
    only_stale: bool,
) -> Result<(), Fatal> {
    let columns = ["DRIVER", "POOL", "ADDRESS", "KIND", "OWNER", "GRANTED", "BY", "GENERATION"];
    let ask = Ask::Addresses { driver, pool, address };
    let is_wanted = |address: &Address| !only_stale || address.stale == Some(true);
    list_some(daemon, &ask, &columns, is_wanted, |address: &Address| {
        vec![
            address.driver.clone(),
            address.pool_id.clone(),
            address.address.to_string(),
            address.kind.clone(),
            or_dash(address.owner.clone()),
            or_dash(address.granted_at),
            address.granted_by.clone(),
            address.generation.to_string(),
        ]
    })
}

pub(crate) fn history(
    daemon: &DaemonFlags,
    address: IpAddr,
    at: Option<Timestamp>,
    driver: Option<String>,
) -> Result<(), Fatal> {
    let columns = [
        "FROM",
        "UNTIL",
        "DRIVER",
        "POOL",
        "ADDRESS",
        "KIND",
        "OWNER",
        "BY",
        "RELEASED BY",
        "DIGEST",
    ];
    let ask = Ask::History { address, driver, at };
    let nobody = Cell::new(true);
    let listed = list(daemon, &ask, &columns, |tenure: &Tenure| {
        nobody.set(false);
        let Tenure { granted, digest, released_at, released_by } = tenure;
        let until = match (released_at, released_by) {
            (Some(at), _) => at.to_string(),
            (None, Some(_)) => "-".to_owned(),
            (None, None) => "held".to_owned(),
        };
        vec![
            or_dash(granted.granted_at),
            until,
            granted.driver.clone(),
            granted.pool_id.clone(),
            granted.address.to_string(),
            granted.kind.clone(),
            or_dash(granted.owner.clone()),
            granted.granted_by.clone(),
            or_dash(released_by.clone()),
            short(digest.as_deref()),
        ]
    });
    if listed.is_ok() && nobody.get() && !daemon.json {
        // Without a moment there always is a time before what is kept.
        note(&[match at {
            Some(_) => format!("nobody held {address} then"),
            None => format!("nobody is known to have held {address}"),
        }]);
    }
    listed
}

pub(crate) fn check(daemon: &DaemonFlags, driver: Option<String>) -> Result<(), Fatal> {
    let mut client = connect(daemon)?;
    let mut output = Output::new(stdout(), daemon.json, &[]);
    let (mut differences, mut compared) = (0, 0);
    let told = client.ask(&Ask::Check { driver: driver.clone() }, |check: Check| {
        differences += check.differences.len();
        compared += 1;
        if daemon.json {
            return Ok(output.row(&check, |_| Vec::new())?);
        }
        let Check { driver, entries, differences, notes } = check;
        output.line(&match differences.len() {
            0 => format!("{driver}: agrees with {entries} entries of the ledger"),
            count => format!("{driver}: {count} differences in {entries} entries"),
        })?;
        differences.iter().try_for_each(|line| output.line(&format!("  {line}")))?;
        notes.iter().try_for_each(|note| output.line(&format!("  note: {note}")))?;
        Ok::<_, Stop>(())
    });
    let printed = output.end();
    result(told.and_then(|notes| {
        note(&notes);
        Ok(printed?)
    }))?;
    match (differences, driver) {
        (0, Some(driver)) if compared == 0 => {
            Err(Fatal::Failed(format!("{driver} cannot be compared")))
        }
        (0, _) => Ok(()),
        (count, _) => Err(Fatal::Failed(format!("{count} differences"))),
    }
}

pub(crate) fn backup(daemon: &DaemonFlags, file: &Path) -> Result<(), Fatal> {
    let file = absolute(file)?;
    let (_, notes) = connect(daemon)?
        .all::<()>(&Ask::Backup { file: file.clone() })
        .map_err(|error| Fatal::Failed(error.to_string()))?;
    note(&notes);
    #[derive(Serialize)]
    struct Written<'a> {
        file: &'a Path,
    }
    print(daemon, &Written { file: &file }, &format!("written to {}", file.display()))
}

/// Prints what was done.
pub(crate) fn print(daemon: &DaemonFlags, item: &impl Serialize, words: &str) -> Result<(), Fatal> {
    let mut output = Output::new(stdout(), daemon.json, &[]);
    let printed = if daemon.json { output.row(item, |_| Vec::new()) } else { output.line(words) };
    result(printed.and_then(|()| output.end()).map_err(Stop::Output))
}

pub(crate) fn upgrade(
    daemon: &DaemonFlags,
    driver: String,
    file: &Path,
    force: bool,
) -> Result<(), Fatal> {
    let ask = Ask::Upgrade { driver, file: absolute(file)?, force };
    let columns = ["DRIVER", "FROM", "TO", "ENTRIES SHOWN", "EVENTS SINCE"];
    list(daemon, &ask, &columns, |upgraded: &Upgraded| {
        vec![
            upgraded.driver.clone(),
            short(upgraded.from.as_deref()),
            short(upgraded.to.as_deref()),
            upgraded.replayed.to_string(),
            upgraded.followed.to_string(),
        ]
    })
}

pub(crate) fn reset(daemon: &DaemonFlags, driver: &str) -> Result<(), Fatal> {
    #[derive(Serialize)]
    struct Serves<'a> {
        driver: &'a str,
    }
    let answer = connect(daemon)?.all::<()>(&Ask::Reset { driver: driver.to_owned() });
    answer.map_err(|error| Fatal::Failed(error.to_string()))?;
    print(daemon, &Serves { driver }, &format!("{driver} serves"))
}

/// The daemon's directory is not ours.
fn absolute(file: &Path) -> Result<PathBuf, Fatal> {
    std::path::absolute(file).map_err(|error| Fatal::Usage(format!("{}: {error}", file.display())))
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn since(word: &str, moment: Option<Timestamp>) -> String {
    moment.map_or_else(|| word.to_owned(), |moment| format!("{word} since {moment}"))
}

/// Enough of a digest to tell two apart.
fn short(digest: Option<&str>) -> String {
    let digits = digest.map(|text| text.trim_start_matches("sha256:"));
    digits.and_then(|digits| digits.get(..12)).unwrap_or("-").to_owned()
}
