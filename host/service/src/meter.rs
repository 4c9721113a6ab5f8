//! Counts what drivers do. The counts are read without waiting for any driver's
//! thread.

use crate::health::HealthProblem;
use ipam_api::{DriverName, Failure, Kind, RecordsRequest, Request, Served};
use std::{
    array,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The kind of a [`Request`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// [`Request::Pool`].
    RequestPool,
    /// [`Request::ReleasePool`].
    ReleasePool,
    /// [`Request::Address`].
    RequestAddress,
    /// [`Request::ReleaseAddress`].
    ReleaseAddress,
    /// [`Request::TakeBack`].
    TakeBack,
    /// [`Request::Status`].
    Status,
    /// [`RecordsRequest::List`].
    ListRecords,
    /// [`RecordsRequest::Has`].
    HasRecord,
    /// [`RecordsRequest::Remove`].
    RemoveRecord,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::RequestPool,
        Self::ReleasePool,
        Self::RequestAddress,
        Self::ReleaseAddress,
        Self::TakeBack,
        Self::Status,
        Self::ListRecords,
        Self::HasRecord,
        Self::RemoveRecord,
    ];

    pub(crate) fn of(request: &Request) -> Self {
        match request {
            Request::Pool(_) => Self::RequestPool,
            Request::ReleasePool(_) => Self::ReleasePool,
            Request::Address(_) => Self::RequestAddress,
            Request::ReleaseAddress(..) => Self::ReleaseAddress,
            Request::TakeBack { .. } => Self::TakeBack,
            Request::Status(_) => Self::Status,
            Request::Records(RecordsRequest::List { .. }) => Self::ListRecords,
            Request::Records(RecordsRequest::Has(..)) => Self::HasRecord,
            Request::Records(RecordsRequest::Remove(_)) => Self::RemoveRecord,
        }
    }

    /// Its name, as in the contract if that has one.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequestPool => "request-pool",
            Self::ReleasePool => "release-pool",
            Self::RequestAddress => "request-address",
            Self::ReleaseAddress => "release-address",
            Self::TakeBack => "take-back",
            Self::Status => "pool-status",
            Self::ListRecords => "list-records",
            Self::HasRecord => "has-record",
            Self::RemoveRecord => "remove-record",
        }
    }
}

/// The outcome of a request: success, or the class of the error that the caller
/// saw.
pub type Outcome = Result<(), Kind>;

/// The word for an outcome, for operators.
#[must_use]
pub fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Ok(()) => "ok",
        Err(Kind::BadRequest) => "bad-request",
        Err(Kind::Forbidden) => "forbidden",
        Err(Kind::NotFound) => "not-found",
        Err(Kind::NotImplemented) => "not-implemented",
        Err(Kind::Unavailable) => "unavailable",
        Err(Kind::Internal) => "internal",
    }
}

const OUTCOMES: [Outcome; 7] = [
    Ok(()),
    Err(Kind::BadRequest),
    Err(Kind::Forbidden),
    Err(Kind::NotFound),
    Err(Kind::NotImplemented),
    Err(Kind::Unavailable),
    Err(Kind::Internal),
];

/// Counts of one driver.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    answers: [[AtomicU64; OUTCOMES.len()]; Call::ALL.len()],
    latency: [AtomicU64; Latency::BOUNDS_MICROS.len() + 1],
    latency_micros: AtomicU64,
    guest_calls: AtomicU64,
    guest_nanos: AtomicU64,
    memory_bytes: AtomicU64,
    memory_bytes_most: AtomicU64,
    faults: AtomicU64,
    violations: AtomicU64,
}

impl Meter {
    /// An answer, and how long it took since the request came: in the queue, in the
    /// driver and in the ledger.
    pub(crate) fn answered(&self, call: Call, answer: &Result<Served, Failure>, took: Duration) {
        let outcome = answer.as_ref().map(|_| ()).map_err(|failure| failure.contract().kind());
        let place = OUTCOMES.iter().position(|one| *one == outcome).unwrap_or(0);
        add(&self.answers[call as usize][place], 1);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = Latency::BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        add(&self.latency[bucket], 1);
        add(&self.latency_micros, micros);
    }

    /// Calls into the driver, and its memory after the last of them.
    pub(crate) fn called(&self, calls: u64, took: Duration, memory_bytes: Option<u64>) {
        if calls == 0 {
            return;
        }
        add(&self.guest_calls, calls);
        add(&self.guest_nanos, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        if let Some(bytes) = memory_bytes {
            self.memory_bytes.store(bytes, Ordering::Relaxed);
            self.memory_bytes_most.fetch_max(bytes, Ordering::Relaxed);
        }
    }

    /// An instance broke.
    pub(crate) fn failed(&self) {
        add(&self.faults, 1);
    }

    /// Answers broke the contract.
    pub(crate) fn violated(&self, answers: u64) {
        if answers > 0 {
            add(&self.violations, answers);
        }
    }

    /// What was counted, with what the driver's health says.
    pub(crate) fn read(
        &self,
        driver: DriverName,
        (problem, restarts): (Option<HealthProblem>, u64),
    ) -> Reading {
        let answers = Call::ALL.into_iter().zip(&self.answers).flat_map(|(call, counts)| {
            OUTCOMES
                .into_iter()
                .zip(counts)
                .map(move |(outcome, count)| (call, outcome, get(count)))
        });
        Reading {
            driver,
            answers: answers.filter(|(.., count)| *count > 0).collect(),
            latency: Latency {
                counts: array::from_fn(|bucket| get(&self.latency[bucket])),
                total: Duration::from_micros(get(&self.latency_micros)),
            },
            guest_calls: get(&self.guest_calls),
            guest_time: Duration::from_nanos(get(&self.guest_nanos)),
            memory_bytes: get(&self.memory_bytes),
            memory_bytes_most: get(&self.memory_bytes_most),
            faults: get(&self.faults),
            violations: get(&self.violations),
            restarts,
            problem,
        }
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

fn get(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// What one driver has done since it was loaded.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The name it is served under.
    pub driver: DriverName,
    /// Answers by call and outcome, without zeros.
    pub answers: Vec<(Call, Outcome, u64)>,
    /// How long answers took.
    pub latency: Latency,
    /// Calls into its instances, without those of a replay.
    pub guest_calls: u64,
    /// Time spent in them.
    pub guest_time: Duration,
    /// The memory of the instance that served last; 0 if unknown.
    pub memory_bytes: u64,
    /// The most memory that any of its instances had after a call.
    pub memory_bytes_most: u64,
    /// Instances that broke.
    pub faults: u64,
    /// Answers that broke the contract.
    pub violations: u64,
    /// Instances that were started after the first.
    pub restarts: u64,
    /// Why it does not serve now.
    pub problem: Option<HealthProblem>,
}

/// How long answers took, from the request to the durable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latency {
    /// For each of [`Latency::BOUNDS_MICROS`], the answers that took no longer than
    /// it and longer than the bound before; last, those that took longer than all.
    pub counts: [u64; Self::BOUNDS_MICROS.len() + 1],
    /// The sum of all, in whole microseconds.
    pub total: Duration,
}

impl Latency {
    /// The bounds of the counts, in microseconds.
    pub const BOUNDS_MICROS: [u64; 18] = [
        10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000,
        500_000, 1_000_000, 5_000_000, 10_000_000,
    ];
}

#[cfg(test)]
mod tests {
    use super::{Call, Latency, Meter, OUTCOMES};
    use ipam_api::{Answer, Code, Error, Failure, Kind, Served};
    use std::time::Duration;

    #[test]
    fn every_answer_is_in_one_place() {
        let meter = Meter::default();
        let done = || Ok(Served { answer: Answer::Released, receipt: None });
        let refused = Err(Error::from(Code::BadPool).into());
        let micros = Duration::from_micros;
        meter.answered(Call::ReleasePool, &done(), micros(10));
        meter.answered(Call::ReleasePool, &done(), micros(11));
        meter.answered(Call::ReleasePool, &refused, micros(20_000_000));
        meter.answered(Call::Status, &Err(Failure::broken("x")), Duration::ZERO);
        let read = meter.read("lab".parse().unwrap(), (None, 0));
        let want = [
            (Call::ReleasePool, Ok(()), 2),
            (Call::ReleasePool, Err(Code::BadPool.kind()), 1),
            (Call::Status, Err(Kind::Internal), 1),
        ];
        assert_eq!(read.answers, want);
        let last = Latency::BOUNDS_MICROS.len();
        assert_eq!((read.latency.counts[0], read.latency.counts[1]), (2, 1));
        assert_eq!(read.latency.counts[last], 1);
        assert_eq!(read.latency.total, micros(20_000_021));
    }

    #[test]
    fn every_call_and_outcome_has_a_place() {
        for (place, call) in Call::ALL.into_iter().enumerate() {
            assert_eq!(call as usize, place);
        }
        let kinds = [Kind::BadRequest, Kind::Forbidden, Kind::NotFound, Kind::NotImplemented];
        for kind in kinds.into_iter().chain([Kind::Unavailable, Kind::Internal]) {
            assert!(OUTCOMES.contains(&Err(kind)));
        }
    }
}
