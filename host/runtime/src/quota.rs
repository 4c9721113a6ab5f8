//! What an instance may take of the host's memory, in total.

use crate::Limits;
use wasmtime::ResourceLimiter;

/// Counts what all memories and all tables of one store have taken. Wasmtime's
/// own limiter bounds each memory by itself, and a component may have many.
///
/// What was granted and then could not be had stays counted: the engine does
/// not say how much that was, and to err on this side costs the guest only.
#[derive(Debug)]
pub(crate) struct Quota {
    memory_bytes_left: usize,
    table_elements_left: usize,
    parts: usize,
}

impl Quota {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes_left: limits.memory_bytes,
            table_elements_left: limits.table_elements,
            parts: limits.parts,
        }
    }

    /// What all memories have taken of `limits`, which it was made with.
    pub(crate) fn memory_bytes_taken(&self, limits: &Limits) -> usize {
        limits.memory_bytes.saturating_sub(self.memory_bytes_left)
    }
}

/// Takes the growth from what is left, if it may happen at all.
fn take(left: &mut usize, current: usize, desired: usize, maximum: Option<usize>) -> bool {
    let rest = left.checked_sub(desired.saturating_sub(current));
    match rest {
        Some(rest) if maximum.is_none_or(|maximum| desired <= maximum) => {
            *left = rest;
            true
        }
        _ => false,
    }
}

impl ResourceLimiter for Quota {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(take(&mut self.memory_bytes_left, current, desired, maximum))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(take(&mut self.table_elements_left, current, desired, maximum))
    }

    fn instances(&self) -> usize {
        self.parts
    }

    fn tables(&self) -> usize {
        self.parts
    }

    fn memories(&self) -> usize {
        self.parts
    }
}

#[cfg(test)]
mod tests {
    use super::take;

    #[test]
    fn growth_is_taken_from_what_all_have() {
        let mut left = 10;
        assert!(take(&mut left, 0, 4, None));
        assert!(take(&mut left, 0, 4, None)); // another memory
        assert!(take(&mut left, 4, 6, Some(6)));
        assert!(!take(&mut left, 4, 5, None));
        assert_eq!(left, 0);
    }

    #[test]
    fn what_cannot_happen_takes_nothing() {
        let mut left = 10;
        assert!(!take(&mut left, 0, 5, Some(4)));
        assert!(!take(&mut left, 0, 11, None));
        assert_eq!(left, 10);
    }
}
