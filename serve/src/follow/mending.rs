use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use results_day::release::ReleaseStore;

use crate::{
    release_cache::{CacheDirectory, Repaired},
    serving::Shared,
};

/// Makes the current release whole again: shards that a request found damaged, and files that are missing on disk.
#[derive(Debug, Default)]
pub(super) struct Mending {
    /// When it was last tried, and was not enough.
    failed: Option<Instant>,
    /// Whether that was said.
    said: bool,
}

/// Damage is tried again so soon: its students wait for it. Every time the whole release is hashed, a third of a
/// second's work.
const DAMAGED_AGAIN: Duration = Duration::from_secs(2);

/// What is whole in memory and not on disk, so much later: nobody waits for it, and a full disk stays full for a while.
const UNKEPT_AGAIN: Duration = Duration::from_secs(30);

impl Mending {
    /// Does what there is to do, if anything. Nothing that goes wrong here stops the server.
    pub(super) async fn step(
        &mut self,
        directory: &Arc<CacheDirectory>,
        store: &ReleaseStore,
        shared: &'static Shared,
    ) {
        let damaged = shared.is_damaged();
        let again = if damaged { DAMAGED_AGAIN } else { UNKEPT_AGAIN };
        if self.failed.is_some_and(|failed| failed.elapsed() < again) {
            return;
        }
        let Some(release) = shared.serving().release.clone() else { return };
        let held = directory.holds(&release);
        shared.followed().set_release_written(held);
        if !damaged && held {
            *self = Self::default();
            return;
        }
        if !damaged && directory.claim().is_err() {
            self.failed = Some(Instant::now());
            return;
        }
        match directory.repair(&release, store).await {
            Ok(repaired) => self.take(repaired, shared),
            Err(error) => self.fail(&error),
        }
    }

    fn take(
        &mut self,
        Repaired { release, damaged: shards, missing, unkept }: Repaired,
        shared: &'static Shared,
    ) {
        let number = release.manifest.number.get();
        shared.followed().repaired(shards, missing);
        shared.update(|serving| serving.release = Some(Arc::new(release)));
        // Whoever saw the release before this one can report nothing more.
        if shared.repaired() {
            tracing::info!(release = number, shards, "the damaged shards were fetched again");
            self.said = false;
        }
        match unkept {
            None => {
                *self = Self::default();
                tracing::info!(release = number, "the cache directory holds the whole release");
            }
            Some(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &dyn fmt::Display) {
        self.failed = Some(Instant::now());
        if !std::mem::replace(&mut self.said, true) {
            tracing::error!(%error, "the copy of the release could not be made whole; it is tried again");
        }
    }
}
