use std::sync::atomic::{AtomicU64, Ordering};

/// Counters in a row. To count is one relaxed addition.
#[derive(Debug)]
pub(super) struct Counters<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Counters<N> {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; N])
    }
}

impl<const N: usize> Counters<N> {
    /// One more at this place.
    pub(super) fn count(&self, place: usize) {
        self.add(place, 1);
    }

    /// So many more.
    pub(super) fn add(&self, place: usize, more: u64) {
        if let Some(counter) = self.0.get(place) {
            counter.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// How many there were at this place.
    pub(super) fn counted(&self, place: usize) -> u64 {
        self.0.get(place).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}
