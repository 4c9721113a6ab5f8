//! `wipam check`: what drivers believe, beside the ledger; and what their systems of
//! record hold.

use crate::{
    daemon::{DaemonFlags, Stop, connect, note, result, stdout},
    driver_client::DaemonClient,
    fatal::Fatal,
    output::Output,
};
use ipam_admin::wire::{Ask, Check, Driver};
use ipam_api::with_causes;
use ipam_reconcile::records::{Checked, check, line};
use serde::Serialize;
use std::{collections::HashSet, io, io::Write};

/// Compare drivers with the ledger, and change nothing
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Only this driver
    driver: Option<String>,
    /// How to reach the daemon.
    #[command(flatten)]
    daemon: DaemonFlags,
}

const AFTER_HELP: &str = "\
A driver with a system of record, such as NetBox, is also compared with that, both ways:
what was deleted there, and what only is there. `wipam reconcile records DRIVER` gives
back the latter.

Exit codes: 0 they agree, 1 they differ or could not be compared, 2 wrong command line.";

/// Differences of one kind that are shown to people; JSON has all.
const SHOWN_MAX: usize = 100;

/// A driver, as it is row.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    check: Check,
    /// How it and its system of record compare, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<Checked>,
    /// Why they could not be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    records_error: Option<String>,
}

/// What was found in all drivers.
#[derive(Default)]
struct Total {
    compared: usize,
    differences: usize,
    /// Systems of record that could not be compared, or not to the end.
    incomplete: usize,
}

pub(crate) fn run(args: Args) -> Result<(), Fatal> {
    let Args { driver, daemon } = args;
    let mut client = connect(&daemon)?;
    let mut output = Output::new(stdout(), daemon.json, &[]);
    let mut total = Total::default();
    let checked = client.all::<Driver>(&Ask::Drivers).map_err(Stop::from).and_then(|(all, _)| {
        let with_records = all.into_iter().filter(|driver| driver.has_records);
        let with_records: HashSet<String> = with_records.map(|driver| driver.name).collect();
        let mut waiting = Vec::new();
        let notes = client.ask(&Ask::Check { driver: driver.clone() }, |check: Check| {
            // A list of records takes its time, and the daemon waits for no reader.
            if with_records.contains(&check.driver) {
                waiting.push(check);
                return Ok(());
            }
            let row = Row { check, records: None, records_error: None };
            Ok::<_, Stop>(print_row(&row, daemon.json, &mut total, &mut output)?)
        })?;
        for check in waiting {
            let row = with_records_of(check, &daemon);
            print_row(&row, daemon.json, &mut total, &mut output)?;
        }
        Ok(notes)
    });
    let printed = output.end();
    result(checked.and_then(|notes| {
        note(&notes);
        Ok(printed?)
    }))?;
    let Total { compared, differences, incomplete } = total;
    match (differences, driver) {
        (0, Some(driver)) if compared == 0 => {
            Err(Fatal::Failed(format!("{driver} cannot be compared")))
        }
        (0, _) if incomplete > 0 => Err(Fatal::Failed(format!(
            "systems of record that could not be compared: {incomplete}"
        ))),
        (0, _) => Ok(()),
        (count, _) => Err(Fatal::Failed(format!("{count} differences"))),
    }
}

/// Compares a driver with its system of record, too.
fn with_records_of(row: Check, daemon: &DaemonFlags) -> Row {
    let mut client = DaemonClient::new(daemon.clone(), row.driver.clone());
    match check(&mut client) {
        Ok(checked) => Row { check: row, records: Some(checked), records_error: None },
        Err(error) => Row { check: row, records: None, records_error: Some(with_causes(&error)) },
    }
}

fn print_row(
    row: &Row,
    json: bool,
    total: &mut Total,
    output: &mut Output<impl Write>,
) -> io::Result<()> {
    let Row { check: Check { driver, entries, differences, notes }, records, records_error } = row;
    total.compared += 1;
    total.differences += differences.len();
    if let Some(records) = records {
        total.differences += records.differences();
    }
    let is_cut = records.as_ref().is_some_and(|records| records.not_looked_for > 0);
    total.incomplete += usize::from(is_cut || records_error.is_some());
    if json {
        return output.row(row, |_| Vec::new());
    }
    output.line(&match differences.len() {
        0 => format!("{driver}: agrees with {entries} entries of the ledger"),
        count => format!("{driver}: {count} differences in {entries} entries"),
    })?;
    differences.iter().try_for_each(|line| output.line(&format!("  {line}")))?;
    notes.iter().try_for_each(|note| output.line(&format!("  note: {note}")))?;
    if let Some(records) = records {
        lines(driver, records).iter().try_for_each(|line| output.line(line))?;
    }
    match records_error {
        None => Ok(()),
        Some(why) => {
            output.line(&format!("{driver}: its system of record could not be compared: {why}"))
        }
    }
}

/// What differs between ledger and system of record, and what to do about it.
fn lines(driver: &str, checked: &Checked) -> Vec<String> {
    let Checked { entries, records, missing, leftover, differing, duplicates, not_looked_for } =
        checked;
    let mut lines = vec![match checked.differences() {
        0 => format!(
            "{driver}: its system of record has {records} records of this host and agrees with \
             {entries} entries of the ledger"
        ),
        count => format!(
            "{driver}: {count} differences between {entries} entries of the ledger and {records} \
             records of this host in its system of record"
        ),
    }];
    let mut list = |what: &str, advice: &str, found: Vec<String>| {
        if !found.is_empty() {
            lines.extend(found.iter().take(SHOWN_MAX).map(|found| format!("  {what}: {found}")));
            if found.len() > SHOWN_MAX {
                lines.push(format!("  {what}: {} more; --json has all", found.len() - SHOWN_MAX));
            }
            lines.push(format!("  ({advice})"));
        }
    };
    list(
        "deleted there",
        "the system may give these to somebody else: record them there again, or stop what uses \
         them and release them with `wipam release`",
        missing.iter().map(ToString::to_string).collect(),
    );
    list(
        "only there",
        &format!(
            "the ledger does not hold these: `wipam reconcile records {driver}` gives them back"
        ),
        leftover.iter().map(line).collect(),
    );
    list(
        "differs",
        "somebody changed the prefix there: change it back, or make the network anew",
        differing.iter().map(ToString::to_string).collect(),
    );
    list(
        "there more than once",
        "one record is enough: delete the others there",
        duplicates.iter().map(line).collect(),
    );
    if *not_looked_for > 0 {
        lines.push(format!(
            "  note: {not_looked_for} entries that others may have recorded were not looked for"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{SHOWN_MAX, lines};
    use ipam_api::{HeldRecord, RecordId};
    use ipam_reconcile::records::Checked;

    #[test]
    fn so_many_differences_of_one_kind_are_shown() {
        let record = |number: usize| HeldRecord {
            id: RecordId::try_from(number.to_string().as_str()).unwrap(),
            address_space: "lab".to_owned(),
            pool: "192.0.2.0/24".parse().unwrap(),
            address: None,
            label: String::new(),
        };
        for (count, more) in [(SHOWN_MAX, 0), (SHOWN_MAX + 1, 1)] {
            let leftover = (0..count).map(record).collect();
            let lines = lines("lab", &Checked { leftover, ..Checked::default() });
            let shown = lines.iter().filter(|line| line.starts_with("  only there: pool"));
            assert_eq!(shown.count(), SHOWN_MAX);
            let words = format!("  only there: {more} more; --json has all");
            assert_eq!(lines.contains(&words), more > 0, "{lines:?}");
        }
    }
}
