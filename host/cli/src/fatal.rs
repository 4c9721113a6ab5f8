//! Why the program ends early.

/// Why the program ends early: one line for the operator, one exit code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fatal {
    /// The configuration or the command line cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// It is meant, and cannot be done.
    #[error("{0}")]
    Failed(String),
}
