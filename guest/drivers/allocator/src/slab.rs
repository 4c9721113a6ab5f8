//! Values in one piece of memory, named by small numbers.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

/// An arena that reuses what was vacated, the latest first. A vacated value stays where
/// it is until its place is taken.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    values: Vec<T>,
    vacant: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { values: Vec::new(), vacant: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Stores `value` and names its place.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(at) = self.vacant.pop() {
            self[at] = value;
            return at;
        }
        let at = u32::try_from(self.values.len()).expect("memory ends before 2^32 values");
        self.values.push(value);
        at
    }

    /// Gives the place of a value back.
    pub(crate) fn vacate(&mut self, at: u32) {
        self.vacant.push(at);
    }

    /// How many values there were at most at once.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, at: u32) -> &T {
        &self.values[at as usize]
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, at: u32) -> &mut T {
        &mut self.values[at as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::Slab;

    #[test]
    fn a_vacated_place_is_taken_again() {
        let mut slab = Slab::default();
        let [first, second] = [slab.insert('a'), slab.insert('b')];
        slab.vacate(first);
        assert_eq!(slab.insert('c'), first);
        assert_eq!((slab[first], slab[second]), ('c', 'b'));
        assert_eq!(slab.len(), 2);
    }
}
