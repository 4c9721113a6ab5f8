//! How drivers are: those in service, and those of which the ledger has a part.

use crate::{
    Timestamp,
    lookup::Answers,
    out::{Out, Stop},
    wire::{self, Condition},
};
use ipam_api::Kind;
use ipam_service::{Latency, Origin, Outcome, Reading, outcome_word};

pub(crate) fn list(answers: &Answers, out: &mut impl Out) -> Result<(), Stop> {
    let mut rows: Vec<wire::Driver> = Vec::new();
    let readings = answers.service.readings();
    for info in answers.service.inspect() {
        let reading = readings.iter().find(|reading| reading.driver == info.name);
        let count = |wanted: fn(&Outcome) -> bool| -> u64 {
            let all = reading.iter().flat_map(|reading| &reading.answers);
            all.filter(|(_, outcome, _)| wanted(outcome)).map(|(.., count)| count).sum()
        };
        let condition = match (&info.problem, &info.held) {
            (Some(_), _) => Condition::Failing,
            (None, None) => Condition::Busy,
            (None, Some(_)) => Condition::Serving,
        };
        let held = info.held.as_ref();
        rows.push(wire::Driver {
            condition,
            failing_since: info.problem.as_ref().and_then(|it| Timestamp::known(it.since)),
            paused_until: info
                .problem
                .as_ref()
                .and_then(|it| it.paused_until.and_then(Timestamp::known)),
            reason: info.problem.map(|problem| problem.reason),
            origin: Some(origin(info.origin).to_owned()),
            docker_name: answers.host.docker_name(&info.name),
            digest: held.and_then(|it| it.digest).map(|digest| digest.to_string()),
            artifact: answers.host.artifact(&info.name),
            local_space: Some(info.spaces.local),
            global_space: Some(info.spaces.global),
            requires_mac_address: Some(info.capability.requires_mac_address),
            requires_request_replay: Some(info.capability.requires_request_replay),
            has_records: info.has_records,
            pools: held.map(|it| it.pools),
            addresses: held.map(|it| it.leases),
            owed: held.map(|it| it.owed),
            last_failure_at: info.last_failure.as_ref().and_then(|it| Timestamp::known(it.0)),
            last_failure: info.last_failure.map(|(_, reason)| reason),
            restarts: info.restarts,
            answers: count(|_| true),
            internal_errors: count(|outcome| *outcome == Err(Kind::Internal)),
            failures: reading.map_or(0, |it| it.faults),
            violations: reading.map_or(0, |it| it.violations),
            memory_bytes: reading.map_or(0, |it| it.memory_bytes),
            memory_bytes_most: reading.map_or(0, |it| it.memory_bytes_most),
            answered: reading.map(answered).unwrap_or_default(),
            latency: reading.map(latency).unwrap_or_default(),
            guest_calls: reading.map_or(0, |it| it.guest_calls),
            guest_micros: reading
                .map_or(0, |it| u64::try_from(it.guest_time.as_micros()).unwrap_or(u64::MAX)),
            name: info.name.to_string(),
        });
    }
    for (name, state) in answers.absent(out, |view, name| view.load(name))? {
        rows.push(wire::Driver {
            name: name.to_string(),
            condition: Condition::Absent,
            failing_since: None,
            paused_until: None,
            reason: None,
            origin: None,
            docker_name: None,
            digest: state.version().and_then(|it| it.digest).map(|it| it.to_string()),
            artifact: None,
            local_space: None,
            global_space: None,
            requires_mac_address: None,
            requires_request_replay: None,
            has_records: false,
            pools: Some(state.pools().count()),
            addresses: Some(state.address_total()),
            owed: Some(state.owed().len()),
            last_failure_at: None,
            last_failure: None,
            restarts: 0,
            answers: 0,
            internal_errors: 0,
            failures: 0,
            violations: 0,
            memory_bytes: 0,
            memory_bytes_most: 0,
            answered: Vec::new(),
            latency: Vec::new(),
            guest_calls: 0,
            guest_micros: 0,
        });
    }
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    rows.iter().try_for_each(|row| out.item(row))
}

fn answered(reading: &Reading) -> Vec<wire::Answered> {
    let answers = reading.answers.iter().map(|&(call, outcome, count)| wire::Answered {
        call: call.as_str().to_owned(),
        outcome: outcome_word(outcome).to_owned(),
        count,
    });
    answers.collect()
}

fn latency(reading: &Reading) -> Vec<wire::Bucket> {
    let bounds = Latency::BOUNDS_MICROS.into_iter().map(Some).chain([None]);
    let buckets = bounds.zip(reading.latency.counts);
    buckets.map(|(at_most_micros, count)| wire::Bucket { at_most_micros, count }).collect()
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::BuiltIn => "built-in",
        Origin::Component => "component",
    }
}
