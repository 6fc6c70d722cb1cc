use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use results_day::release::ReleaseStore;

use crate::{
    release_cache::{CacheDirectory, LoadedRelease, Repaired, blocking},
    serving::Shared,
};

/// Makes the current release whole again: shards that a request found damaged, and files on disk that
/// are missing or that somebody has touched.
#[derive(Debug, Default)]
pub(super) struct Mending {
    /// When it was last tried, and was not enough.
    failed: Option<Instant>,
    /// Whether that was said.
    said: bool,
    /// How often in a row the files were written again, and when that was last done.
    rewritten: u32,
    done: Option<Instant>,
}

/// Damage is tried again so soon: its students wait for it. Every time the whole release is hashed, a third of a
/// second's work.
const DAMAGED_AGAIN: Duration = Duration::from_secs(2);

/// After files were written again they are left alone for so long, and for twice as long each time that this was not
/// enough: where files never look as they were left, on a strange file system, it would be done for ever.
const REST: Duration = Duration::from_millis(250);

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
        let rest = REST * (1 << self.rewritten.min(10));
        if !damaged && self.done.is_some_and(|done| done.elapsed() < rest) {
            return;
        }
        if !damaged {
            let on_disk = look(directory, &release).await;
            shared.followed().set_release_written(on_disk == OnDisk::Whole);
            match on_disk {
                OnDisk::Whole => return *self = Self::default(),
                OnDisk::Unwritable => return self.failed = Some(Instant::now()),
                OnDisk::Lacking => {}
            }
        }
        match directory.repair(&release, store).await {
            Ok(repaired) => self.take(repaired, shared),
            Err(error) => self.fail(&error),
        }
    }

    fn take(
        &mut self,
        Repaired { release, damaged: shards, rewritten, unkept }: Repaired,
        shared: &'static Shared,
    ) {
        let number = release.manifest.number.get();
        shared.followed().repaired(shards, rewritten);
        shared.update(|serving| serving.release = Some(Arc::new(release)));
        // Whoever saw the release before this one can report nothing more.
        if shared.repaired() {
            tracing::info!(release = number, shards, "the damaged shards were fetched again");
            self.said = false;
        }
        match unkept {
            None => {
                *self = Self { rewritten: self.rewritten + 1, done: Some(Instant::now()), ..Self::default() };
                tracing::info!(release = number, rewritten, "the cache directory holds the whole release");
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

/// What a restart would find of the current release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnDisk {
    Whole,
    Lacking,
    /// Nothing can be written there.
    Unwritable,
}

async fn look(directory: &Arc<CacheDirectory>, release: &Arc<LoadedRelease>) -> OnDisk {
    let (directory, release) = (directory.clone(), release.clone());
    let looked = blocking(move || match directory.holds(&release) {
        true => OnDisk::Whole,
        false if directory.claim().is_err() => OnDisk::Unwritable,
        false => OnDisk::Lacking,
    });
    looked.await.unwrap_or(OnDisk::Unwritable)
}
