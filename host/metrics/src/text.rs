//! Readings as text.

use ipam_service::{Latency, Reading, Service, outcome_word};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, prometheus_text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use std::{fmt, iter};

/// The type of [`text`].
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// All metrics of a service, in the text format of Prometheus.
///
/// # Errors
/// When a metric cannot be written as text, which is a mistake here.
pub fn text(service: &Service) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("wipam");
    registry.register_collector(Box::new(Readings(service.readings())));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Readings(Vec<Reading>);

impl Readings {
    /// One metric that each driver has one of.
    fn each<M: EncodeMetric>(
        &self,
        to: &mut DescriptorEncoder<'_>,
        name: &'static str,
        help: &str,
        kind: MetricType,
        read: impl Fn(&Reading) -> M,
    ) -> fmt::Result {
        for (name, help) in names(name, help) {
            let mut family = to.encode_descriptor(name, &help, None, kind)?;
            for reading in &self.0 {
                let labels = [("driver", reading.driver.as_str())];
                read(reading).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// One more name for a metric: what it was called before. It goes with the
/// next minor version.
const OLD_NAMES: [(&str, &str); 4] = [
    ("requests", "answers"),
    ("request_duration_seconds", "answer_seconds"),
    ("memory_bytes_max", "memory_bytes_most"),
    ("driver_up", "serving"),
];

/// The names of a metric with their help: its own, and the old one if it has one.
fn names(name: &'static str, help: &str) -> impl Iterator<Item = (&'static str, String)> {
    let old = OLD_NAMES.into_iter().find(|(new, _)| *new == name);
    let old = old.map(|(new, old)| (old, format!("Old name of wipam_{new}")));
    iter::once((name, help.to_owned())).chain(old)
}

impl Readings {
    fn requests(&self, to: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> fmt::Result {
        let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
        for reading in &self.0 {
            for (call, outcome, count) in &reading.answers {
                let labels = [
                    ("driver", reading.driver.as_str()),
                    ("call", call.as_str()),
                    ("outcome", outcome_word(*outcome)),
                ];
                ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn durations(&self, to: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> fmt::Result {
        let mut family = to.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for Reading { driver, latency, .. } in &self.0 {
            let labels = [("driver", driver.as_str())];
            let mut one = family.encode_family(&labels)?;
            let count = latency.counts.iter().sum();
            one.encode_histogram::<NoLabelSet>(
                latency.total.as_secs_f64(),
                count,
                &buckets(latency),
                None,
            )?;
        }
        Ok(())
    }
}

impl Collector for Readings {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help) in names("requests", "Requests by call and outcome") {
            self.requests(&mut to, name, &help)?;
        }
        let help = "Time from a request to its durable answer";
        for (name, help) in names("request_duration_seconds", help) {
            self.durations(&mut to, name, &help)?;
        }
        let counter = MetricType::Counter;
        self.each(&mut to, "guest_calls", "Calls into the driver", counter, |it| {
            ConstCounter::new(it.guest_calls)
        })?;
        self.each(&mut to, "guest_seconds", "Time spent in the driver", counter, |it| {
            ConstCounter::new(it.guest_time.as_secs_f64())
        })?;
        self.each(
            &mut to,
            "failures",
            "Instances discarded after a trap, a time-out or a violation",
            counter,
            |it| ConstCounter::new(it.faults),
        )?;
        self.each(&mut to, "violations", "Answers that broke the contract", counter, |it| {
            ConstCounter::new(it.violations)
        })?;
        self.each(&mut to, "restarts", "Instances started after the first", counter, |it| {
            ConstCounter::new(it.restarts)
        })?;
        let gauge = MetricType::Gauge;
        let bytes = |count: u64| ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
        self.each(&mut to, "memory_bytes", "Memory of the current instance", gauge, |it| {
            bytes(it.memory_bytes)
        })?;
        self.each(
            &mut to,
            "memory_bytes_max",
            "Largest memory of an instance so far",
            gauge,
            |it| bytes(it.memory_bytes_most),
        )?;
        self.each(&mut to, "driver_up", "1 if the driver is in service, else 0", gauge, |it| {
            ConstGauge::new(i64::from(it.problem.is_none()))
        })?;
        self.each(
            &mut to,
            "breaker_open",
            "1 while the driver is suspended after repeated failures",
            gauge,
            |it| {
                let is_open = it.problem.as_ref().is_some_and(|it| it.paused_until.is_some());
                ConstGauge::new(i64::from(is_open))
            },
        )
    }
}

/// Upper bounds in seconds, each with the count of its own bucket. The last
/// one, without a bound, is what the count of all leaves.
fn buckets(latency: &Latency) -> Vec<(f64, u64)> {
    #[expect(clippy::cast_precision_loss, reason = "bounds are small")]
    let seconds = |micros: u64| micros as f64 / 1e6;
    let bounds = Latency::BOUNDS_MICROS.into_iter().map(seconds);
    bounds.zip(latency.counts).collect()
}
