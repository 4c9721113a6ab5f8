//! What the instances of a component may take of the host's memory, in total.

use crate::Limits;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};
use wasmtime::ResourceLimiter;

/// The host's memory behind one element of a table, in bytes.
const ELEMENT_BYTES: usize = 8;

/// What all live instances of one component have left. They share it, or a
/// component with many names could have as much for each of them.
#[derive(Debug)]
pub(crate) struct Allowance {
    memory_bytes_left: AtomicUsize,
    table_elements_left: AtomicUsize,
}

impl Allowance {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            memory_bytes_left: AtomicUsize::new(limits.instance.memory_bytes),
            table_elements_left: AtomicUsize::new(limits.instance.table_elements),
        })
    }
}

/// Takes so much of what is left, if there is so much.
fn take(left: &AtomicUsize, much: usize) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(much)).is_ok()
}

/// Counts what all memories and all tables of one store have taken, and gives
/// it back when it is dropped with the store. Wasmtime's own limiter bounds
/// each memory by itself, and a component may have many.
///
/// What was granted and then could not be had stays counted until then: the
/// engine does not say how much that was, and to err on this side costs the
/// guest only.
#[derive(Debug)]
pub(crate) struct Quota {
    allowance: Arc<Allowance>,
    memory_bytes: usize,
    table_elements: usize,
    parts: usize,
}

impl Quota {
    /// The share of one more instance, of which the host itself keeps
    /// `host_bytes` in memory.
    ///
    /// # Errors
    /// In words for the operator, when so much is not left.
    pub(crate) fn new(
        allowance: &Arc<Allowance>,
        limits: &Limits,
        host_bytes: usize,
    ) -> Result<Self, String> {
        if !take(&allowance.memory_bytes_left, host_bytes) {
            return Err(format!(
                "the host keeps {host_bytes} bytes of memory for an instance, and {} are left of \
                 {}, which limits.instance.memory allows",
                allowance.memory_bytes_left.load(Relaxed),
                limits.instance.memory_bytes
            ));
        }
        Ok(Self {
            allowance: allowance.clone(),
            memory_bytes: host_bytes,
            table_elements: 0,
            parts: limits.instance.instances_max,
        })
    }

    /// What its instance takes: linear memory, what is in its tables, and what
    /// the host keeps for it.
    pub(crate) fn memory_bytes(&self) -> usize {
        let tables = self.table_elements.saturating_mul(ELEMENT_BYTES);
        self.memory_bytes.saturating_add(tables)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        self.allowance.memory_bytes_left.fetch_add(self.memory_bytes, Relaxed);
        self.allowance.table_elements_left.fetch_add(self.table_elements, Relaxed);
    }
}

/// Takes the growth from what is left, if it may happen at all.
fn grow(
    left: &AtomicUsize,
    taken: &mut usize,
    (current, desired): (usize, usize),
    maximum: Option<usize>,
) -> bool {
    let much = desired.saturating_sub(current);
    let grows = maximum.is_none_or(|maximum| desired <= maximum) && take(left, much);
    if grows {
        *taken = taken.saturating_add(much);
    }
    grows
}

impl ResourceLimiter for Quota {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let left = &self.allowance.memory_bytes_left;
        Ok(grow(left, &mut self.memory_bytes, (current, desired), maximum))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let left = &self.allowance.table_elements_left;
        Ok(grow(left, &mut self.table_elements, (current, desired), maximum))
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
    use super::{Allowance, Quota};
    use crate::{InstanceLimits, Limits};
    use wasmtime::ResourceLimiter as _;

    fn limits() -> Limits {
        Limits {
            instance: InstanceLimits {
                memory_bytes: 10,
                table_elements: 10,
                ..InstanceLimits::default()
            },
            ..Limits::default()
        }
    }

    #[track_caller]
    fn grows(quota: &mut Quota, from: usize, to: usize, maximum: Option<usize>, want: bool) {
        assert_eq!(quota.memory_growing(from, to, maximum).unwrap(), want, "memory {from} to {to}");
        assert_eq!(quota.table_growing(from, to, maximum).unwrap(), want, "table {from} to {to}");
    }

    #[test]
    fn growth_is_taken_from_what_all_have() {
        let (limits, allowance) = (limits(), Allowance::new(&limits()));
        let mut one = Quota::new(&allowance, &limits, 0).unwrap();
        let mut other = Quota::new(&allowance, &limits, 0).unwrap();
        grows(&mut one, 0, 4, None, true);
        grows(&mut one, 0, 2, None, true); // another memory
        grows(&mut other, 0, 4, Some(4), true);
        grows(&mut one, 4, 5, None, false);
        assert_eq!(one.memory_bytes(), 6 + 6 * 8);
        drop(other);
        grows(&mut one, 4, 8, None, true);
        grows(&mut one, 8, 9, None, false);
    }

    #[test]
    fn what_cannot_happen_takes_nothing() {
        let (limits, allowance) = (limits(), Allowance::new(&limits()));
        let mut quota = Quota::new(&allowance, &limits, 0).unwrap();
        grows(&mut quota, 0, 5, Some(4), false);
        grows(&mut quota, 0, 11, None, false);
        grows(&mut quota, 0, 10, None, true);
    }

    #[test]
    fn what_the_host_keeps_is_taken_first_and_given_back() {
        let (limits, allowance) = (limits(), Allowance::new(&limits()));
        let quota = Quota::new(&allowance, &limits, 8).unwrap();
        assert_eq!(quota.memory_bytes(), 8);
        let refused = Quota::new(&allowance, &limits, 3).unwrap_err();
        assert!(
            refused.contains("2 are left of 10, which limits.instance.memory allows"),
            "{refused}"
        );
        drop(quota);
        assert!(Quota::new(&allowance, &limits, 10).is_ok());
    }
}
