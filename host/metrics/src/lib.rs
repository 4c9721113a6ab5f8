//! What drivers do, for Prometheus.
//!
//! In: a service. Out: `GET /metrics` in the text format of Prometheus, over
//! HTTP on an address of the operator's. A scrape reads counters and waits for
//! no driver.
//!
//! | name | labels | what |
//! |---|---|---|
//! | `wipam_requests_total` | `driver`, `call`, `outcome` | answered requests; `outcome` is `ok` or the class of the error that the caller saw |
//! | `wipam_request_duration_seconds` | `driver` | histogram of the time from a request to its durable answer |
//! | `wipam_guest_calls_total`, `wipam_guest_seconds_total` | `driver` | calls into the driver, and the time spent in them |
//! | `wipam_memory_bytes`, `wipam_memory_bytes_max` | `driver` | memory of the instance after its last call, with what the host keeps for it, and the most that one had |
//! | `wipam_failures_total` | `driver` | instances that were dropped: traps, time-outs, violations |
//! | `wipam_violations_total` | `driver` | answers that broke the contract, among them |
//! | `wipam_restarts_total` | `driver` | instances that were built after the first |
//! | `wipam_driver_up` | `driver` | 1 if it is in service, 0 if not |
//! | `wipam_breaker_open` | `driver` | 1 while it is suspended after repeated failures |
//!
//! Four of them have their old names beside them until the next minor version:
//! `wipam_answers_total`, `wipam_answer_seconds`, `wipam_memory_bytes_most` and
//! `wipam_serving`.
//!
//! # Example
//!
//! What a scrape reads, here of a service without drivers:
//!
//! ```
//! use ipam_service::{Limits, Service};
//!
//! let service = Service::new(Box::new(ipam_ledger::MemoryStore::default()), Limits::default())?;
//! println!("{}", ipam_metrics::text(&service)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod listen;
mod text;

pub use listen::{Limits, listen};
pub use text::{CONTENT_TYPE, text};
