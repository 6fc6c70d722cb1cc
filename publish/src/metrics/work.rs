use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use results_day::release::Manifest;

/// What runs have done so far, also where they fail: counted as it is done.
#[derive(Debug, Default)]
pub struct Work {
    /// Students who were read from the database.
    pub(crate) rows_read: Counter,
    /// Students whose documents were rendered; those whose frames were taken over are not.
    pub(crate) students_rendered: Counter,
    /// Shards that were rendered as a whole.
    pub(crate) shards_rendered: Counter,
    /// Shards of the base in which some frames were replaced.
    pub(crate) shards_patched: Counter,
    /// Shards of the base that were named again as they are.
    pub(crate) shards_kept: Counter,
    /// Bytes of blobs that the store has taken.
    pub(crate) uploaded_bytes: Counter,
    /// Races for a number that a rival won.
    pub(crate) races_lost: Counter,
    /// Objects that a collection deleted.
    pub collected_objects: Counter,
    /// Their bytes.
    pub collected_bytes: Counter,
    last: Mutex<Last>,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// A part of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Finding out what is to be done.
    Plan,
    /// Reading, rendering and uploading.
    Render,
    /// Making the release visible.
    Commit,
    /// Making sure that the store can be committed to.
    Probe,
}

/// A release, as far as it is told of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Current {
    pub(super) number: u64,
    pub(super) students: u64,
    pub(super) created: Timestamp,
}

/// What the last run was like.
#[derive(Debug, Default)]
struct Last {
    /// The current release, as far as it was seen.
    release: Option<Current>,
    /// What each phase took, of a run that publishes.
    phases: Option<[Duration; Phase::ALL.len()]>,
}

impl Counter {
    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Phase {
    pub(super) const ALL: [(Self, &'static str); 4] =
        [(Self::Plan, "plan"), (Self::Render, "render"), (Self::Commit, "commit"), (Self::Probe, "probe")];
}

impl Work {
    /// A publication begins: nothing has taken any time yet.
    pub(crate) fn begins(&self) {
        self.last().phases = Some(Default::default());
    }

    /// Part of this phase has taken so long.
    pub(crate) fn spent(&self, phase: Phase, time: Duration) {
        if let Some(phases) = &mut self.last().phases {
            phases[phase as usize] += time;
        }
    }

    /// Does what is part of this phase.
    pub(crate) async fn during<T>(&self, phase: Phase, part: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let done = part.await;
        self.spent(phase, started.elapsed());
        done
    }

    /// This release is current; `None` where there is none, or nobody looks any more.
    pub fn saw(&self, release: Option<&Manifest>) {
        self.last().release = release.map(|manifest| Current {
            number: manifest.number.get(),
            students: manifest.students,
            created: manifest.created,
        });
    }

    pub(super) fn release(&self) -> Option<Current> {
        self.last().release
    }

    pub(super) fn phases(&self) -> Option<[Duration; Phase::ALL.len()]> {
        self.last().phases
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
