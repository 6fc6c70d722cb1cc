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
    /// How many of its shards were damaged.
    pub(crate) damaged: usize,
    /// How many were missing on disk, and are there again.
    pub(crate) missing: usize,
    /// Why it is not whole on disk, if so.
    pub(crate) unkept: Option<String>,
}

/// How a shard was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// In memory and on disk.
    Whole,
    /// In memory alone.
    Missing,
    /// With other bytes than it should have.
    Damaged,
}

impl CacheDirectory {
    /// Looks at every byte of the current release and makes it whole: a damaged shard comes from the store again, and a
    /// file that is missing is written again.
    ///
    /// What is broken on disk is replaced and not corrected: its pages may be mapped by a request at work.
    pub(crate) async fn repair(
        self: &Arc<Self>,
        current: &LoadedRelease,
        store: &ReleaseStore,
    ) -> Result<Repaired, CacheError> {
        let shards: Vec<_> =
            current.shards().map(|(entry, held)| self.mend(entry, held.clone(), store)).collect();
        let shards: Vec<(Held, Found)> = stream::iter(shards).buffered(AT_ONCE).try_collect().await?;
        let damaged = shards.iter().filter(|(_, found)| *found == Found::Damaged).count();
        let kept_again = |(held, found): &&(Held, Found)| *found == Found::Missing && held.unkept.is_none();
        let missing = shards.iter().filter(kept_again).count();
        let shards = shards.into_iter().map(|(held, _)| held).collect();
        let release = LoadedRelease::new(current.manifest.clone(), shards);
        let settled = self.settle(&release).map_err(|error| error.to_string());
        let unkept = release.unkept().next().map(str::to_owned).or(settled.err());
        Ok(Repaired { release, damaged, missing, unkept })
    }

    /// One shard as it should be, and how it was found.
    async fn mend(
        self: &Arc<Self>,
        entry: &ShardEntry,
        held: Held,
        store: &ReleaseStore,
    ) -> Result<(Held, Found), CacheError> {
        let (blob, digest) = (held.shard.blob().clone(), entry.key.digest);
        if !blocking(move || Digest::of(&blob) == digest).await? {
            return Ok((self.fetch_shard(entry, store).await?, Found::Damaged));
        }
        if held.unkept.is_none() && self.has(entry) {
            return Ok((held, Found::Whole));
        }
        Ok((self.keep(entry, held.shard.blob().clone()).await?, Found::Missing))
    }
}
