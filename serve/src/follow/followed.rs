use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

use jiff::Timestamp;
use results_day::release::ReleaseError;

use crate::release_cache::CacheError;

/// What those who follow the store and the database have met, for whoever watches this server. Nothing is decided by it.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    store_answers: AtomicBool,
    checked: Instant,
    fetch_failures: AtomicU64,
    release_lost: AtomicBool,
    switched: Instant,
    database_answers: AtomicBool,
    changes_unlogged: AtomicBool,
    damaged_repaired: AtomicU64,
    missing_repaired: AtomicU64,
    release_is_written: AtomicBool,
    journal_is_written: AtomicBool,
}

/// An instant by the wall clock in milliseconds since 1970; 0 for what has not been yet.
#[derive(Debug, Default)]
struct Instant(AtomicI64);

impl Followed {
    /// The store has said which release is current, and that is here.
    pub(super) fn release_checked(&self) {
        self.store_answers.store(true, Relaxed);
        self.release_lost.store(false, Relaxed);
        self.checked.is_now();
    }

    /// Asking for the next release, or bringing it here, failed.
    pub(super) fn release_failed(&self, error: &CacheError) {
        self.fetch_failures.fetch_add(1, Relaxed);
        // What the store gave may be unusable, and was an answer.
        let unanswered = matches!(error, CacheError::Release(error) if ReleaseError::is_unanswered(error));
        self.store_answers.store(!unanswered, Relaxed);
        if !unanswered {
            let lost =
                matches!(error, CacheError::Release(ReleaseError::Emptied(_) | ReleaseError::Lost { .. }));
            self.release_lost.store(lost, Relaxed);
        }
    }

    pub(super) fn release_switched(&self) {
        self.switched.is_now();
    }

    pub(super) fn repaired(&self, damaged: usize, missing: usize) {
        self.damaged_repaired.fetch_add(damaged as u64, Relaxed);
        self.missing_repaired.fetch_add(missing as u64, Relaxed);
    }

    pub(super) fn set_release_written(&self, written: bool) {
        self.release_is_written.store(written, Relaxed);
    }

    pub(super) fn set_journal_written(&self, written: bool) {
        self.journal_is_written.store(written, Relaxed);
    }

    pub(crate) fn set_database_answers(&self, answers: bool) {
        self.database_answers.store(answers, Relaxed);
    }

    pub(crate) fn set_changes_unlogged(&self, unlogged: bool) {
        self.changes_unlogged.store(unlogged, Relaxed);
    }

    pub(crate) fn store_answers(&self) -> bool {
        self.store_answers.load(Relaxed)
    }

    pub(crate) fn checked(&self) -> Option<Timestamp> {
        self.checked.get()
    }

    pub(crate) fn fetch_failures(&self) -> u64 {
        self.fetch_failures.load(Relaxed)
    }

    pub(crate) fn release_lost(&self) -> bool {
        self.release_lost.load(Relaxed)
    }

    pub(crate) fn switched(&self) -> Option<Timestamp> {
        self.switched.get()
    }

    pub(crate) fn database_answers(&self) -> bool {
        self.database_answers.load(Relaxed)
    }

    pub(crate) fn changes_unlogged(&self) -> bool {
        self.changes_unlogged.load(Relaxed)
    }

    pub(crate) fn damaged_repaired(&self) -> u64 {
        self.damaged_repaired.load(Relaxed)
    }

    pub(crate) fn missing_repaired(&self) -> u64 {
        self.missing_repaired.load(Relaxed)
    }

    pub(crate) fn release_is_written(&self) -> bool {
        self.release_is_written.load(Relaxed)
    }

    pub(crate) fn journal_is_written(&self) -> bool {
        self.journal_is_written.load(Relaxed)
    }
}

impl Instant {
    fn is_now(&self) {
        self.0.store(Timestamp::now().as_millisecond(), Relaxed);
    }

    fn get(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.0.load(Relaxed))
            .ok()
            .filter(|instant| *instant > Timestamp::UNIX_EPOCH)
    }
}
