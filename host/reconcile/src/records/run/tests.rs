use super::{DriverClient, LOOK_UPS_MAX, Outcome, Progress, REMOVALS_MAX, check, give_back};
use crate::{
    Options,
    reconcile::tests::{Slept, now},
    records::{
        GivenBack,
        compare::{
            Entry,
            tests::{entry, record},
        },
    },
};
use ipam_api::HeldRecord;
use std::{collections::VecDeque, io, time::Duration};

const POOL: &str = "192.0.2.0/24";

/// What each reading says, and what came of removals.
#[derive(Default)]
pub(in crate::records) struct Script {
    pub(in crate::records) entries: VecDeque<Result<Vec<Entry>, io::Error>>,
    pub(in crate::records) records: VecDeque<Result<Vec<HeldRecord>, io::Error>>,
    /// Entries that others recorded.
    pub(in crate::records) others: Vec<Entry>,
    pub(in crate::records) outcomes: VecDeque<Result<Outcome, io::Error>>,
    pub(in crate::records) looked_for: usize,
    pub(in crate::records) removed: Vec<String>,
}

impl Script {
    /// Every look sees the same.
    fn of(entries: &[Entry], records: &[HeldRecord]) -> Self {
        let mut script = Self::default();
        script.look(entries, records);
        script.look(entries, records);
        script
    }

    fn look(&mut self, entries: &[Entry], records: &[HeldRecord]) {
        self.entries.extend([Ok(entries.to_vec()), Ok(entries.to_vec())]);
        self.records.push_back(Ok(records.to_vec()));
    }
}

impl DriverClient for Script {
    type Error = io::Error;

    fn entries(&mut self, each: &mut dyn FnMut(Entry)) -> Result<(), io::Error> {
        let entries = self.entries.pop_front().expect("it is read no more often")?;
        entries.into_iter().for_each(each);
        Ok(())
    }

    fn records(&mut self, each: &mut dyn FnMut(HeldRecord)) -> Result<(), io::Error> {
        let records = self.records.pop_front().expect("it is listed no more often")?;
        records.into_iter().for_each(each);
        Ok(())
    }

    fn has(&mut self, entry: &Entry) -> Result<Option<bool>, io::Error> {
        self.looked_for += 1;
        Ok(Some(self.others.contains(entry)))
    }

    fn remove(&mut self, record: &HeldRecord) -> Result<Outcome, io::Error> {
        self.removed.push(record.id.to_string());
        self.outcomes.pop_front().unwrap_or(Ok(Outcome::Removed))
    }
}

fn run(script: &mut Script, options: &Options) -> Result<GivenBack, io::Error> {
    now(give_back(script, &mut Slept::default(), options, &mut |_| ()))
}

fn ids(records: &[HeldRecord]) -> Vec<&str> {
    records.iter().map(|record| record.id.as_str()).collect()
}

fn exclusive() -> Options {
    Options { exclusive: true, ..Options::default() }
}

/// A pool that is held, with a leftover in it, and a pool that is not.
fn client() -> (Vec<Entry>, Vec<HeldRecord>) {
    let records = vec![
        record("1", POOL, None),
        record("2", "198.51.100.0/24", None),
        record("3", "198.51.100.0/24", Some("198.51.100.1")),
        record("4", POOL, Some("192.0.2.9")),
    ];
    (vec![entry(POOL, None)], records)
}

#[test]
fn a_check_asks_for_what_others_may_have_recorded() {
    let entries = [entry(POOL, None), entry(POOL, Some("192.0.2.1"))];
    let mut script = Script::of(&entries, &[]);
    script.others.push(entries[0].clone());
    let checked = check(&mut script).unwrap();
    assert_eq!((checked.differences(), checked.not_looked_for), (1, 0));
    assert_eq!(checked.missing, entries[1..]);
}

#[test]
fn a_check_looks_for_so_many_and_says_how_many_are_left() {
    let many: Vec<Entry> = (0..LOOK_UPS_MAX + 5)
        .map(|host| entry("10.0.0.0/8", Some(&format!("10.0.{}.{}", host / 256, host % 256))))
        .collect();
    let mut script = Script::of(&many, &[]);
    let checked = check(&mut script).unwrap();
    assert_eq!((checked.missing.len(), checked.not_looked_for), (LOOK_UPS_MAX, 5));
    assert_eq!(script.looked_for, LOOK_UPS_MAX);
}

#[test]
fn addresses_of_pools_that_are_held_are_given_back() {
    let (entries, records) = client();
    let mut script = Script::of(&entries, &records);
    let report = run(&mut script, &Options::default()).unwrap();
    assert_eq!((ids(&report.removed), ids(&report.kept)), (vec!["4"], vec!["2", "3"]));
    assert_eq!(script.removed, ["4"]);
}

#[test]
fn all_else_is_given_back_if_no_other_host_can_have_it_and_pools_last() {
    let (entries, records) = client();
    let mut script = Script::of(&entries, &records);
    let report = run(&mut script, &exclusive()).unwrap();
    assert_eq!(ids(&report.removed), ["3", "4", "2"]);
    assert_eq!(script.removed, ["3", "4", "2"]);
}

#[test]
fn a_dry_run_changes_nothing() {
    let (entries, records) = client();
    let mut script = Script::of(&entries, &records);
    let options = Options { dry_run: true, ..exclusive() };
    let report = run(&mut script, &options).unwrap();
    assert_eq!(ids(&report.would_remove), ["3", "4", "2"]);
    assert_eq!(script.removed, [""; 0]);
}

#[test]
fn what_is_left_over_once_is_not_given_back() {
    let (entries, records) = client();
    // 4 is held at the second look, and 5 was not there at the first.
    let mut script = Script::default();
    script.look(&entries, &records);
    let held = [entries[0].clone(), entry(POOL, Some("192.0.2.9"))];
    let more = [records.clone(), vec![record("5", POOL, Some("192.0.2.10"))]].concat();
    script.look(&held, &more);
    let report = run(&mut script, &Options::default()).unwrap();
    assert_eq!((ids(&report.settled), ids(&report.removed)), (vec!["4"], vec![]));
    // 4 is another address at the second look.
    let mut script = Script::default();
    script.look(&entries, &records);
    script.look(&entries, &[record("4", POOL, Some("192.0.2.10"))]);
    let report = run(&mut script, &Options::default()).unwrap();
    assert_eq!((ids(&report.settled), script.removed.len()), (vec!["2", "3", "4"], 0));
}

#[test]
fn nothing_is_given_back_unless_all_was_read() {
    let (entries, records) = client();
    for fails in 0..6 {
        let mut script = Script::of(&entries, &records);
        let failure = || Err(io::Error::other("away"));
        match fails {
            4 | 5 => script.records[fails - 4] = failure(),
            _ => script.entries[fails] = Err(io::Error::other("away")),
        }
        assert!(run(&mut script, &exclusive()).is_err(), "{fails}");
        assert_eq!(script.removed, [""; 0], "{fails}");
    }
}

#[test]
fn what_is_decided_otherwise_at_the_removal_stays() {
    let records: Vec<_> = (1..6)
        .map(|host| record(&host.to_string(), POOL, Some(&format!("192.0.2.{host}"))))
        .collect();
    let mut script = Script::of(&[entry(POOL, None)], &records);
    script.outcomes.extend([
        Ok(Outcome::Held),
        Ok(Outcome::Gone),
        Ok(Outcome::Refused("it has an address of somebody else".to_owned())),
        Err(io::Error::other("away")),
    ]);
    let report = run(&mut script, &Options::default()).unwrap();
    assert_eq!((ids(&report.settled), ids(&report.left)), (vec!["1", "2"], vec!["4", "5"]));
    assert_eq!(report.refused[0].record, records[2]);
    assert_eq!(report.failure.as_deref(), Some("away"));
    assert_eq!(script.removed, ["1", "2", "3", "4"]);
}

#[test]
fn one_run_gives_back_so_many() {
    let many: Vec<_> = (0..REMOVALS_MAX + 3)
        .map(|host| {
            let address = format!("10.0.{}.{}", host / 256, host % 256);
            record(&host.to_string(), "10.0.0.0/8", Some(&address))
        })
        .collect();
    let mut script = Script::of(&[entry("10.0.0.0/8", None)], &many);
    let report = run(&mut script, &Options::default()).unwrap();
    assert_eq!((report.removed.len(), report.postponed.len()), (REMOVALS_MAX, 3));
}

#[test]
fn nobody_waits_for_nothing() {
    let mut slept = Slept::default();
    let (entries, records) = client();
    let mut script = Script::of(&entries, &records[..1]);
    let mut steps = Vec::new();
    let mut say = |step: Progress<'_>| steps.push(format!("{step:?}"));
    let options = Options { grace: Duration::from_secs(60), ..Options::default() };
    let report = now(give_back(&mut script, &mut slept, &options, &mut say)).unwrap();
    assert_eq!((report, slept.0.len()), (GivenBack::default(), 0));
    assert_eq!(steps, ["Looked { entries: 1, records: 1, leftover: 0 }"]);
}
