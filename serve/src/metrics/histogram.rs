use std::{iter, time::Duration};

use results_day::metrics::Observed;

use super::counters::Counters;

/// How long things took. To observe is two relaxed additions.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: Counters<BUCKETS>,
    nanoseconds: Counters<1>,
}

/// The buckets' bounds in nanoseconds. A hit takes some microseconds; what waited longer than the live path's patience,
/// two seconds, is one in the last bucket.
const BOUNDS: [u64; BUCKETS - 1] = [
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
];

/// One more for what is longer than all of them.
const BUCKETS: usize = 18;

impl Histogram {
    pub(super) fn observe(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        // Almost everything lies in the first bucket.
        let bucket = BOUNDS.iter().position(|bound| nanoseconds <= *bound);
        self.buckets.count(bucket.unwrap_or(BOUNDS.len()));
        self.nanoseconds.add(0, nanoseconds);
    }

    /// What several have observed together.
    pub(super) fn together<'a>(histograms: impl Iterator<Item = &'a Self> + Clone) -> Observed {
        let bounds = BOUNDS.iter().map(|bound| *bound as f64 / 1e9).chain(iter::once(f64::INFINITY));
        let in_bucket = |bucket| histograms.clone().map(|one| one.buckets.counted(bucket)).sum();
        let nanoseconds: u64 = histograms.clone().map(|one| one.nanoseconds.counted(0)).sum();
        Observed {
            buckets: bounds.enumerate().map(|(bucket, bound)| (bound, in_bucket(bucket))).collect(),
            sum: nanoseconds as f64 / 1e9,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_as_long_as_a_bound_lies_in_its_bucket() {
        let (one, other) = (Histogram::default(), Histogram::default());
        for microseconds in [0, 10, 11, 2_500_000] {
            one.observe(Duration::from_micros(microseconds));
        }
        other.observe(Duration::from_secs(3));
        let Observed { buckets, sum } = Histogram::together([&one, &other].into_iter());
        let filled: Vec<_> = buckets.iter().filter(|(_, observations)| *observations > 0).copied().collect();
        assert_eq!(filled, [(1e-5, 2), (2.5e-5, 1), (2.5, 1), (f64::INFINITY, 1)]);
        assert_eq!((buckets.len(), sum), (BUCKETS, 5.500_021));
    }
}
