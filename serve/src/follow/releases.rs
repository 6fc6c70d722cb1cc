use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use results_day::release::{Manifest, ReleaseError, ReleaseStore};

use super::mending::Mending;
use crate::{
    embargo::{self, Clock, Gate, Moment, Remembered},
    release_cache::{CacheDirectory, CacheError, LoadedRelease, blocking},
    serving::Shared,
};

/// Loads each release as it is committed, and keeps the current one whole.
pub(crate) struct ReleaseFollower {
    store: ReleaseStore,
    directory: Arc<CacheDirectory>,
    shared: &'static Shared,
    remembered: Arc<Remembered>,
}

/// How often the bucket is asked whether the next release is there: one request that mostly finds nothing. Until a
/// release is loaded, what changed since the last one is answered live, so nobody waits for it.
const INTERVAL: Duration = Duration::from_millis(250);

/// How often the bucket is asked what it holds at all: a listing. It may have been put in the place of another one.
const LISTING: Duration = Duration::from_secs(5);

/// How long a server may take to load its first release before it answers that there is none.
const FIRST: Duration = Duration::from_secs(10);

/// How long a server that has a release waits to hear from the store whether its hour was moved.
const MOVED: Duration = Duration::from_secs(3);

/// The pause after a failure doubles up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl ReleaseFollower {
    pub(crate) fn new(
        store: ReleaseStore,
        directory: Arc<CacheDirectory>,
        shared: &'static Shared,
        remembered: Arc<Remembered>,
    ) -> Self {
        Self { store, directory, shared, remembered }
    }

    /// Loads what an earlier server left, which takes no store, or else what the store has, if it answers soon.
    pub(crate) async fn first(&self) {
        match self.directory.load(&self.store).await {
            Ok(Some(release)) => self.switch_to_cached(release).await,
            Ok(None) => self.first_from_store().await,
            Err(error) => {
                tracing::warn!(%error, "the cached release is unusable; waiting for the store");
                self.first_from_store().await;
            }
        }
    }

    async fn first_from_store(&self) {
        // What goes wrong here goes wrong again in a moment, and is told then.
        let _tried = tokio::time::timeout(FIRST, self.step(true)).await;
    }

    /// What was not opened yet may have been put off while no server ran, so the store is asked before its hour is
    /// believed.
    async fn switch_to_cached(&self, release: LoadedRelease) {
        let manifest = &release.manifest;
        let mut not_before = self.remembered.hour(manifest.number, manifest.not_before);
        if not_before.is_some() && !self.remembered.was_opened(&manifest.source.data_set) {
            let asked = tokio::time::timeout(MOVED, self.newer_in_the_end(&release)).await;
            if let Ok(Some(newer)) = asked {
                not_before = not_before.max(newer.not_before);
                self.hear(&newer).await;
            }
        }
        self.switch_to(release, not_before);
    }

    /// What is newer, from a store that may have to be asked more than once.
    async fn newer_in_the_end(&self, than: &LoadedRelease) -> Option<Manifest> {
        loop {
            match self.newer(Some(than)).await {
                Ok(newer) => return newer,
                Err(_) => tokio::time::sleep(INTERVAL).await,
            }
        }
    }

    /// Writes down what a restart must know of a release before it finds it.
    async fn hear(&self, manifest: &Manifest) {
        if self.remembered.hear(manifest.number, manifest.not_before, Moment::now()) {
            let remembered = self.remembered.clone();
            // What cannot be written is known to this server, and it is said.
            let _interrupted = blocking(move || remembered.write()).await;
        }
    }

    /// Follows the bucket for ever.
    pub(crate) async fn run(self) {
        let mut pause = INTERVAL;
        let mut mending = Mending::default();
        let mut listed: Option<Instant> = None;
        loop {
            let lists = listed.is_none_or(|listed| listed.elapsed() >= LISTING);
            match self.step(lists).await {
                Ok(()) => {
                    self.shared.followed().release_checked();
                    listed = if lists { Some(Instant::now()) } else { listed };
                    pause = INTERVAL;
                }
                Err(error) => {
                    self.shared.followed().release_failed(&error);
                    if pause == INTERVAL {
                        tracing::error!(%error, "following the releases failed; serving on with what is here");
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            self.shared.followed().repaired(self.directory.broken(), 0);
            mending.step(&self.directory, &self.store, self.shared).await;
            let remembered = self.remembered.clone();
            let _interrupted = blocking(move || remembered.look()).await;
            tokio::time::sleep(pause).await;
        }
    }

    /// Loads what is newer, whether or not the bucket `lists` all that it holds.
    async fn step(&self, lists: bool) -> Result<(), CacheError> {
        let serving = self.shared.serving();
        let current = serving.release.as_deref();
        if !lists
            && let Some(current) = current
            && self.is_the_last(current).await?
        {
            return Ok(());
        }
        let Some(manifest) = self.newer(current).await? else { return Ok(()) };
        let not_before = manifest.not_before;
        if current.is_some() {
            // It may take long to come, and its hour may be later than the one that is waited for, also where everything
            // was seeded anew meanwhile.
            self.shared.update(|serving| serving.gate = serving.gate.postponed(not_before, Moment::now()));
        }
        self.hear(&manifest).await;
        let release = self.directory.fetch(manifest, current, &self.store).await?;
        self.switch_to(release, not_before);
        Ok(())
    }

    /// Whether no release has the next number, not even one that was collected since.
    async fn is_the_last(&self, current: &LoadedRelease) -> Result<bool, ReleaseError> {
        match self.store.manifest(current.manifest.number.next()).await {
            Err(ReleaseError::Collected { .. }) => Ok(false),
            found => Ok(found?.is_none()),
        }
    }

    /// The store's current release, if it is not this one. Never back to a smaller number because of a stale listing. But
    /// where this release is not in the bucket, somebody began the bucket anew, and its releases are what is served: unless
    /// they know less, or would be seen before the hour that is waited for.
    async fn newer(&self, than: Option<&LoadedRelease>) -> Result<Option<Manifest>, ReleaseError> {
        let current = self.store.current().await?;
        let Some(than) = than else { return Ok(current) };
        let found = current.ok_or(ReleaseError::Emptied(than.manifest.number))?;
        if !than.is_of_the_data_set_of(&found) {
            return Ok(Some(found));
        }
        if self.is_here(than).await? {
            return Ok((found.number > than.manifest.number).then_some(found));
        }
        let opens_earlier = match self.shared.serving().gate {
            Gate::Closed(embargo) => found.not_before < Some(embargo.until),
            Gate::Open => false,
        };
        let problem = if found.source.snapshot.xmax() < than.manifest.source.snapshot.xmax() {
            "was read from the database before it"
        } else if opens_earlier {
            "would be seen before its hour"
        } else {
            return Ok(Some(found));
        };
        Err(ReleaseError::Lost { lost: than.manifest.number, found: found.number, problem })
    }

    /// Whether the bucket holds this very release, or held it until it was collected.
    async fn is_here(&self, release: &LoadedRelease) -> Result<bool, ReleaseError> {
        match self.store.manifest(release.manifest.number).await {
            Err(ReleaseError::Collected { .. }) => Ok(true),
            found => Ok(found?.is_some_and(|found| found.attempt == release.manifest.attempt)),
        }
    }

    fn switch_to(&self, release: LoadedRelease, not_before: Option<Timestamp>) {
        let (number, students) = (release.manifest.number.get(), release.manifest.students);
        let remembered = self.remembered.gate(&release.manifest.source.data_set, not_before);
        let release = Arc::new(release);
        let mut gate = Gate::Open;
        self.shared.update(|serving| {
            serving.switch_to(release, not_before, remembered, Moment::now());
            gate = serving.gate;
        });
        self.shared.followed().release_switched();
        match gate {
            Gate::Open => tracing::info!(release = number, students, "serving a release"),
            Gate::Closed(embargo) => {
                tracing::info!(
                    release = number,
                    students,
                    not_before = %embargo.until,
                    "a release is loaded and hidden until its hour"
                );
                if embargo.clock == Clock::Jumped {
                    embargo::say(gate);
                }
            }
        }
    }
}
