//! Why an instance does not serve.

use ipam_api::Failure;
use std::time::Duration;

/// Why a new instance cannot serve; for the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("it did not start: {0}")]
    Start(#[source] Failure),
    #[error("it registered {registered}, not {expected}")]
    Registration { registered: String, expected: String },
    #[error("its address spaces changed")]
    AddressSpaces,
    #[error("it did not answer: {0}")]
    Ask(#[source] Failure),
    #[error("it refused what the ledger holds, {entry}: {failure}")]
    Refused { entry: String, failure: Failure },
    #[error("it disagrees with the ledger: {entry} came back as {answered}")]
    Disagrees { entry: String, answered: String },
    #[error("it did not learn the ledger within {0:?}")]
    TooSlow(Duration),
    #[error("its start was interrupted for an upgrade")]
    Interrupted,
    #[error("the service is shutting down")]
    ShuttingDown,
}
