use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use results_day::metrics::Families;

use super::{counters::Counters, histogram::Histogram};

/// What became of the look-ups of the live path. They are some thousands a second at most, on two threads: one set of
/// counters does.
#[derive(Debug, Default)]
pub(crate) struct LookUps {
    ended: Counters<{ LookUpResult::NAMES.len() }>,
    coalesced: Counters<1>,
    cache: Counters<{ CacheResult::NAMES.len() }>,
    cache_failed: AtomicBool,
    uncached: Counters<1>,
    took: Histogram,
}

/// How a look-up ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LookUpResult {
    /// The student has a document.
    Found,
    /// There is no such student, or no result.
    Absent,
    /// It was not begun, because as many as may be are in flight.
    Overloaded,
    /// There was no answer in time.
    TimedOut,
    /// The database gave none.
    Failed,
    /// The database gave one that must not be shown.
    Refused,
}

/// What the cache had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheResult {
    /// The answer.
    Hit,
    /// Nothing.
    Miss,
    /// What was true before the last change.
    Stale,
    /// No answer.
    Error,
}

impl LookUpResult {
    const NAMES: [&str; 6] = ["found", "absent", "overloaded", "timed-out", "failed", "refused"];
}

impl CacheResult {
    const NAMES: [&str; 4] = ["hit", "miss", "stale", "error"];
}

impl LookUps {
    pub(crate) fn ended(&self, result: LookUpResult) {
        self.ended.count(result as usize);
    }

    /// A look-up that was begun has ended, one way or another.
    pub(crate) fn took(&self, took: Duration) {
        self.took.observe(took);
    }

    /// Somebody joined a look-up that was in flight.
    pub(crate) fn coalesced(&self) {
        self.coalesced.count(0);
    }

    pub(crate) fn cache(&self, result: CacheResult) {
        self.cache.count(result as usize);
        self.cache_failed.store(result == CacheResult::Error, Ordering::Relaxed);
    }

    /// The cache did not take what the database had.
    pub(crate) fn uncached(&self) {
        self.uncached.count(0);
    }

    pub(super) fn tell(&self, in_flight: usize, families: &mut Families<'_>) -> fmt::Result {
        families.gauge(
            "serve_live_in_flight",
            "Look-ups of the live path that have not ended.",
            [([], in_flight)],
        )?;
        families.counter(
            "serve_live_lookups_total",
            "Look-ups of the live path, by how they ended; those who waited together count once.",
            named(&LookUpResult::NAMES, "result", &self.ended),
        )?;
        families.counter(
            "serve_live_coalesced_total",
            "Requests that joined a look-up in flight instead of beginning one.",
            [([], self.coalesced.counted(0))],
        )?;
        families.histogram(
            "serve_live_duration_seconds",
            "How long look-ups of the live path took that were begun.",
            [([], Histogram::together([&self.took].into_iter()))],
        )?;
        families.counter(
            "serve_live_cache_total",
            "Questions to the live path's cache, by what it had.",
            named(&CacheResult::NAMES, "result", &self.cache),
        )?;
        families.gauge(
            "serve_live_cache_up",
            "Whether the live path's cache answered when it was last asked; 1 before the first question.",
            [([], u64::from(!self.cache_failed.load(Ordering::Relaxed)))],
        )?;
        families.counter(
            "serve_live_uncached_total",
            "Answers of the database that the live path's cache did not take.",
            [([], self.uncached.counted(0))],
        )
    }
}

fn named<const N: usize>(
    names: &'static [&'static str; N],
    label: &'static str,
    counters: &Counters<N>,
) -> impl Iterator<Item = ([(&'static str, &'static str); 1], u64)> {
    names.iter().enumerate().map(move |(place, name)| ([(label, *name)], counters.counted(place)))
}
