//! Where an answer goes, and why it ends early.

use serde::Serialize;
use std::io;

/// Why an answer ends early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Who asked is gone.
    Gone(io::Error),
    /// Who asked is told so.
    Error(String),
}

impl From<String> for Stop {
    fn from(text: String) -> Self {
        Self::Error(text)
    }
}

/// Where an answer goes.
pub(crate) trait Out {
    /// Writes one item.
    fn item<T: Serialize>(&mut self, item: &T) -> Result<(), Stop>;
    /// Says at the end why less was told than could be.
    fn note(&mut self, note: String);
}
