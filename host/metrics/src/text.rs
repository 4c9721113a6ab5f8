//! Readings as text.

use ipam_service::{Latency, Reading, Service, outcome_word};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, prometheus_text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use std::fmt;

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
        name: &str,
        help: &str,
        kind: MetricType,
        read: impl Fn(&Reading) -> M,
    ) -> fmt::Result {
        let mut family = to.encode_descriptor(name, help, None, kind)?;
        for reading in &self.0 {
            let labels = [("driver", reading.driver.as_str())];
            read(reading).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Collector for Readings {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let counter = MetricType::Counter;
        let mut family = to.encode_descriptor(
            "answers",
            "Answers by what was asked and how it came out",
            None,
            counter,
        )?;
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
        let mut family = to.encode_descriptor(
            "answer_seconds",
            "From the question to the answer that is durable",
            None,
            MetricType::Histogram,
        )?;
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
        self.each(&mut to, "guest_calls", "Calls into the driver", counter, |it| {
            ConstCounter::new(it.guest_calls)
        })?;
        self.each(&mut to, "guest_seconds", "Time spent in the driver", counter, |it| {
            ConstCounter::new(it.guest_time.as_secs_f64())
        })?;
        self.each(&mut to, "failures", "Instances that were dropped", counter, |it| {
            ConstCounter::new(it.faults)
        })?;
        self.each(&mut to, "violations", "Answers that broke the contract", counter, |it| {
            ConstCounter::new(it.violations)
        })?;
        self.each(&mut to, "restarts", "Instances built after the first", counter, |it| {
            ConstCounter::new(it.restarts)
        })?;
        let gauge = MetricType::Gauge;
        let bytes = |count: u64| ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
        self.each(&mut to, "memory_bytes", "Memory of the instance", gauge, |it| {
            bytes(it.memory_bytes)
        })?;
        self.each(&mut to, "memory_bytes_most", "The most that an instance had", gauge, |it| {
            bytes(it.memory_bytes_most)
        })?;
        self.each(&mut to, "serving", "1 if the driver serves", gauge, |it| {
            ConstGauge::new(i64::from(it.problem.is_none()))
        })?;
        self.each(&mut to, "breaker_open", "1 while the driver is left alone", gauge, |it| {
            let is_open = it.problem.as_ref().is_some_and(|it| it.paused_until.is_some());
            ConstGauge::new(i64::from(is_open))
        })
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
