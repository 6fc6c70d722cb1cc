use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use results_day::release::{Digest, ReleaseStore, ShardEntry};

use super::{
    CacheDirectory, CacheError, LoadedRelease,
    fetch::{AT_ONCE, blocking},
    loaded::Held,
};

/// The same release as before, whole in memory.
#[derive(Debug)]
pub(crate) struct Repaired {
    pub(crate) release: LoadedRelease,
    /// How many of its shards were damaged in memory.
    pub(crate) damaged: usize,
    /// How many of the others were not on disk as they had been left there, and are again.
    pub(crate) rewritten: usize,
    /// Why it is not whole on disk, if so.
    pub(crate) unkept: Option<String>,
}

impl CacheDirectory {
    /// Looks at every byte of the current release and makes it whole: a damaged shard comes from disk or the store again, a
    /// file that is missing, or that somebody has written into or shortened, is written again.
    pub(crate) async fn repair(
        self: &Arc<Self>,
        current: &LoadedRelease,
        store: &ReleaseStore,
    ) -> Result<Repaired, CacheError> {
        let shards: Vec<_> =
            current.shards().map(|(entry, held)| self.mend(entry, held.clone(), store)).collect();
        let shards: Vec<(Held, Condition)> = stream::iter(shards).buffered(AT_ONCE).try_collect().await?;
        let damaged = shards.iter().filter(|(_, condition)| *condition == Condition::Damaged).count();
        let rewritten = shards
            .iter()
            .filter(|(held, condition)| *condition == Condition::NotOnDisk && held.stamp().is_some())
            .count();
        let release =
            LoadedRelease::new(current.manifest.clone(), shards.into_iter().map(|(held, _)| held).collect());
        let (release, settled) = self.settle(release).await?;
        let unkept =
            release.unkept().next().map(str::to_owned).or(settled.err().map(|error| error.to_string()));
        Ok(Repaired { release, damaged, rewritten, unkept })
    }

    /// One shard as it should be, and in what condition it was.
    async fn mend(
        self: &Arc<Self>,
        entry: &ShardEntry,
        held: Held,
        store: &ReleaseStore,
    ) -> Result<(Held, Condition), CacheError> {
        let (directory, entry, looked_at) = (self.clone(), entry.clone(), held.clone());
        let condition = blocking({
            let entry = entry.clone();
            move || match Digest::of(looked_at.shard.blob()) == entry.key.digest {
                false => Condition::Damaged,
                true if directory.has(&entry, &looked_at) => Condition::Whole,
                true => Condition::NotOnDisk,
            }
        })
        .await?;
        let held = match condition {
            Condition::Whole => held,
            Condition::Damaged => self.find(&entry, store).await?,
            Condition::NotOnDisk => self.keep(&entry, held.shard).await?,
        };
        Ok((held, condition))
    }
}

/// The condition of a shard of the current release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// In memory and on disk.
    Whole,
    /// In memory, and on disk not as it was left there.
    NotOnDisk,
    /// Not what it should be.
    Damaged,
}
