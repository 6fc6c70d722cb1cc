use std::{sync::Arc, time::Duration};

use results_day::release::{Manifest, ReleaseStore};

use crate::{
    release_cache::{CacheDirectory, CacheError, LoadedRelease},
    serving::Shared,
};

/// Loads each release as it is committed.
pub(crate) struct ReleaseFollower {
    pub(crate) store: ReleaseStore,
    pub(crate) directory: CacheDirectory,
    pub(crate) shared: &'static Shared,
}

/// How often the bucket is asked whether the next release is there: one request that mostly finds nothing. Until a
/// release is loaded, what changed since the last one is answered live, so nobody waits for it.
const INTERVAL: Duration = Duration::from_millis(250);

/// How long a server may take to load its first release before it answers that there is none.
const FIRST: Duration = Duration::from_secs(10);

/// The pause after a failure doubles up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl ReleaseFollower {
    /// Loads what an earlier server left, which takes no store, or else what the store has, if it answers soon.
    pub(crate) async fn first(&self) {
        match self.directory.load(&self.store).await {
            Ok(Some(release)) => return self.switch_to(release),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the cached release is unusable; waiting for the store"),
        }
        // What goes wrong here goes wrong again in a moment, and is told then.
        let _tried = tokio::time::timeout(FIRST, self.step(false)).await;
    }

    /// Follows the bucket for ever.
    pub(crate) async fn run(self) {
        let mut pause = INTERVAL;
        // At the start the bucket says which release is current. After that releases only go up.
        let mut looked = false;
        loop {
            match self.step(looked).await {
                Ok(()) => {
                    looked = true;
                    pause = INTERVAL;
                }
                Err(error) => {
                    if pause == INTERVAL {
                        tracing::error!(%error, "following the releases failed; serving on with what is here");
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn step(&self, looked: bool) -> Result<(), CacheError> {
        let serving = self.shared.serving();
        let current = serving.release.as_deref();
        if looked
            && let Some(current) = current
            && self.store.manifest(current.manifest.number.next()).await?.is_none()
        {
            return Ok(());
        }
        let found = self.store.current().await?;
        // Never back to a smaller number, whatever a stale listing says; another data set is another bucket.
        let is_newer = |found: &Manifest| {
            current.is_none_or(|LoadedRelease { manifest: current, .. }| {
                found.number > current.number || found.source.data_set != current.source.data_set
            })
        };
        let Some(manifest) = found.filter(is_newer) else { return Ok(()) };
        let release = self.directory.fetch(manifest, current, &self.store).await?;
        self.switch_to(release);
        Ok(())
    }

    fn switch_to(&self, release: LoadedRelease) {
        let (number, students) = (release.manifest.number, release.manifest.students);
        self.shared.update(|serving| serving.release = Some(Arc::new(release)));
        tracing::info!(release = number.get(), students, "serving a release");
    }
}
