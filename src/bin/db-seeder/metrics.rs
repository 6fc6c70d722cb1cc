use std::{
    fmt, io,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use jiff::Timestamp;
use results_day::metrics::{Families, Page, seconds, write_textfile};

/// What this run has done, also where it fails.
#[derive(Debug, Default)]
pub(crate) struct Done {
    students: AtomicU64,
    documents: AtomicU64,
    loading: OnceLock<Duration>,
    caching: OnceLock<Duration>,
}

impl Done {
    /// So many more students are in the database.
    pub(crate) fn loaded(&self, students: u64) {
        self.students.fetch_add(students, Relaxed);
    }

    /// So many more documents are in the cache.
    pub(crate) fn cached(&self, documents: u64) {
        self.documents.fetch_add(documents, Relaxed);
    }

    /// Filling the database has ended, after so long.
    pub(crate) fn loading_took(&self, took: Duration) {
        self.loading.get_or_init(|| took);
    }

    /// Filling the cache has ended, after so long.
    pub(crate) fn caching_took(&self, took: Duration) {
        self.caching.get_or_init(|| took);
    }

    /// Writes it to a file for node exporter, on top of what earlier runs have written there.
    pub(crate) fn write(self: Arc<Self>, succeeded: bool, path: &Path) -> io::Result<()> {
        write_textfile(path, &Page::default().with(move |families| self.tell(succeeded, families)))
    }

    fn tell(&self, succeeded: bool, families: &mut Families<'_>) -> fmt::Result {
        let (students, documents) = (self.students.load(Relaxed), self.documents.load(Relaxed));
        let outcome = match succeeded {
            false => "failed",
            true if students + documents > 0 => "seeded",
            true => "unchanged",
        };
        let now = seconds(Some(Timestamp::now()));
        families.gauge(
            "seeder_build_info",
            "The version of db-seeder.",
            [([("version", env!("CARGO_PKG_VERSION"))], 1_u64)],
        )?;
        families.counter(
            "seeder_runs_total",
            "Runs, by how they ended.",
            ["seeded", "unchanged", "failed"].map(|one| ([("outcome", one)], u64::from(one == outcome))),
        )?;
        families.gauge(
            "seeder_last_success_timestamp_seconds",
            "When a run last ended without an error.",
            succeeded.then_some(([], now)),
        )?;
        families.gauge(
            "seeder_last_failure_timestamp_seconds",
            "When a run last ended with an error.",
            (!succeeded).then_some(([], now)),
        )?;
        families.counter(
            "seeder_students_loaded_total",
            "Students who were loaded into the database.",
            [([], students)],
        )?;
        families.counter(
            "seeder_documents_cached_total",
            "Documents that were put into the cache.",
            [([], documents)],
        )?;
        families.gauge(
            "seeder_phase_seconds",
            "What each phase of the last run took that had it.",
            [("load", self.loading.get()), ("cache", self.caching.get())]
                .into_iter()
                .filter_map(|(phase, took)| Some(([("phase", phase)], took?.as_secs_f64()))),
        )
    }
}
