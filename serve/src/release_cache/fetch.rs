use std::{collections::HashMap, sync::Arc};

use futures::{FutureExt, StreamExt, TryStreamExt, future, stream};
use results_day::{
    release::{Manifest, ReleaseStore, ShardEntry},
    shard::Shard,
};

use super::{CacheDirectory, CacheError, LoadedRelease, loaded::Held, memory};

/// Shards that are read and hashed at once. Reading waits for the store, hashing for a processor; a
/// shard has a quarter of a megabyte.
pub(super) const AT_ONCE: usize = 8;

impl CacheDirectory {
    /// The release that an earlier server left here. `None` where there is none.
    pub(crate) async fn load(
        self: &Arc<Self>,
        store: &ReleaseStore,
    ) -> Result<Option<LoadedRelease>, CacheError> {
        match self.read_manifest()? {
            Some(manifest) => self.load_shards(manifest, None, store).await.map(Some),
            None => Ok(None),
        }
    }

    /// Brings a release here. What `current` has in common with it is not read
    /// again; what neither it nor the directory has comes from the store.
    pub(crate) async fn fetch(
        self: &Arc<Self>,
        manifest: Manifest,
        current: Option<&LoadedRelease>,
        store: &ReleaseStore,
    ) -> Result<LoadedRelease, CacheError> {
        let release = self.load_shards(manifest, current, store).await?;
        if let Some(error) = release.unkept().next() {
            tracing::error!(
                release = release.manifest.number.get(),
                shards = release.unkept().count(),
                error,
                "shards could not be written to the cache directory; a restart will need the store"
            );
        }
        let (release, settled) = self.settle(release).await?;
        if let Err(error) = settled {
            tracing::error!(
                %error,
                release = release.manifest.number.get(),
                "the cache directory could not be brought up to date; a restart may need the store"
            );
        }
        Ok(release)
    }

    /// Makes the release the one that the next server finds, if all of it is on disk; until then that is the release
    /// before it, whole. Whether it succeeds is no matter to whoever asks this server.
    pub(super) async fn settle(
        self: &Arc<Self>,
        release: LoadedRelease,
    ) -> Result<(LoadedRelease, Result<(), CacheError>), CacheError> {
        let directory = self.clone();
        blocking(move || {
            let manifest = &release.manifest;
            let written =
                if directory.has_all(&release) { directory.write_manifest(manifest) } else { Ok(()) };
            let settled = written.and(directory.forget_all_but(manifest));
            (release, settled)
        })
        .await
    }

    async fn load_shards(
        self: &Arc<Self>,
        manifest: Manifest,
        current: Option<&LoadedRelease>,
        store: &ReleaseStore,
    ) -> Result<LoadedRelease, CacheError> {
        let held: HashMap<&ShardEntry, &Held> = current.iter().flat_map(|release| release.shards()).collect();
        let shards: Vec<_> = manifest
            .shards
            .iter()
            .map(|entry| match held.get(entry) {
                Some(held) => future::ready(Ok(Held::clone(held))).left_future(),
                None => self.find(entry, store).right_future(),
            })
            .collect();
        let shards = stream::iter(shards).buffered(AT_ONCE).try_collect().await?;
        Ok(LoadedRelease::new(manifest, shards))
    }

    /// The shard from the directory, or else from the store by way of the directory.
    pub(super) async fn find(
        self: &Arc<Self>,
        entry: &ShardEntry,
        store: &ReleaseStore,
    ) -> Result<Held, CacheError> {
        let (directory, wanted) = (self.clone(), entry.clone());
        match blocking(move || directory.read_shard(&wanted)).await? {
            Ok(Some(held)) => return Ok(held),
            Ok(None) => {}
            Err(error) => {
                self.found_broken();
                tracing::warn!(%error, "a cached shard is unusable; fetching it again");
            }
        }
        let (blob, wanted) = (store.shard_bytes(entry).await?, entry.clone());
        let shard = blocking(move || wanted.open(memory::hold(&blob))).await??;
        self.keep(entry, shard).await
    }

    /// Writes a shard, whose bytes are right, for the next start, if that is possible.
    pub(super) async fn keep(self: &Arc<Self>, entry: &ShardEntry, shard: Shard) -> Result<Held, CacheError> {
        let (directory, entry) = (self.clone(), entry.clone());
        blocking(move || match directory.write_shard(&entry, shard.blob()) {
            Ok(stamp) => Held::on_disk(shard, stamp),
            Err(error) => Held::in_memory_only(shard, &error.to_string()),
        })
        .await
    }
}

/// Runs what waits for a disk or hashes a shard on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CacheError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| CacheError::Interrupted)
}
