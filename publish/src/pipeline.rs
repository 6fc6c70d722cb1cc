//! Read, patch or render, upload, verify: the shards of a plan, on all cores and in bounded memory.

use std::{collections::HashMap, sync::Arc};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use results_day::{
    release::{Attempt, Digest, Manifest, ReleaseStore, ShardEntry, ShardKey},
    source::SnapshotReader,
    student::{Student, StudentId},
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    plan::{Patch, Plan, Render},
    render::{self, RenderedShard},
};

/// Shards between the reader and the store: being rendered, uploaded, read back. With batches that wait
/// (below) this bounds the memory: each shard is its students, its blob and the blob read back, together
/// about 700 KB for 1,000 students.
const IN_FLIGHT: usize = 16;

/// Batches read ahead of the renderers.
const READ_AHEAD: usize = 4;

/// Brings the shards of a plan into the store: every one of them, in the order of the prefixes.
pub(crate) async fn run(
    mut reader: Box<dyn SnapshotReader>,
    plan: Plan,
    shelf: &Shelf<'_>,
    progress: &ProgressBar,
) -> anyhow::Result<Vec<ShardEntry>> {
    let Plan { width, mut render, patch, keep: mut shards } = plan;
    let (patched, unreadable) = patch_all(reader.as_mut(), patch, shelf, progress).await?;
    shards.extend(patched);
    let unreadable = unreadable.into_iter().filter_map(|shard| {
        let (prefix, students) = (shard.key.prefix, shard.students);
        Some(Render { prefix, ids: width.ids(prefix)?, students })
    });
    render.extend(unreadable);
    render.sort_unstable_by_key(|shard| shard.prefix);
    shards.extend(render_all(reader, render, shelf, progress).await?);
    shards.sort_unstable_by_key(|shard| shard.key.prefix);
    Ok(shards)
}

/// Patches shards of the base. Whatever is wrong with a blob of the base, its shard can be rendered as a whole: those
/// come back as the base has them.
async fn patch_all(
    reader: &mut dyn SnapshotReader,
    patches: Vec<Patch>,
    shelf: &Shelf<'_>,
    progress: &ProgressBar,
) -> anyhow::Result<(Vec<ShardEntry>, Vec<ShardEntry>)> {
    let changed: Vec<StudentId> = patches.iter().flat_map(|patch| patch.changed.iter().copied()).collect();
    let students: Arc<[Student]> = reader.students(&changed).await?.into();
    let patched = stream::iter(patches).map(|patch| {
        let students = students.clone();
        async move {
            let base = patch.base.clone();
            let unusable = || {
                let key = &base.key;
                tracing::warn!(%key, "a blob of the current release cannot be used; rendering its shard as a whole");
                Ok(Err(base.clone()))
            };
            let Ok(blob) = shelf.store.shard_bytes(&patch.base).await else { return unusable() };
            let patched = on_any_core(move || {
                let base = patch.base.open(blob)?;
                anyhow::Ok(render::patch(&base, &patch.changed, of_the_same(&students, &patch.changed))?)
            });
            let Ok(shard) = patched.await? else { return unusable() };
            let shard = shelf.put(base.key.prefix, shard).await?;
            progress.inc(1);
            anyhow::Ok(Ok(shard))
        }
    });
    let patched: Vec<_> = patched.buffer_unordered(IN_FLIGHT).try_collect().await?;
    let (mut finished, mut unreadable) = (Vec::new(), Vec::new());
    for patched in patched {
        match patched {
            Ok(shard) => finished.extend(shard),
            Err(base) => unreadable.push(base),
        }
    }
    Ok((finished, unreadable))
}

/// Those students, in id order, whose ids lie between the first and the last of these.
fn of_the_same<'a>(students: &'a [Student], ids: &[StudentId]) -> &'a [Student] {
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return &[] };
    let start = students.partition_point(|student| student.id < *first);
    let end = students.partition_point(|student| student.id <= *last);
    &students[start..end]
}

async fn render_all(
    reader: Box<dyn SnapshotReader>,
    shards: Vec<Render>,
    shelf: &Shelf<'_>,
    progress: &ProgressBar,
) -> anyhow::Result<Vec<ShardEntry>> {
    let (prefixes, ranges): (Vec<_>, Vec<_>) =
        shards.into_iter().map(|shard| (shard.prefix, shard.ids)).unzip();
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    let reading = tokio::spawn(reader.read(ranges, sender));
    let batches = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let rendered = stream::iter(prefixes).zip(batches).map(|(prefix, students)| async move {
        let shard = on_any_core(move || render::render(&students)).await??;
        let shard = shelf.put(prefix, shard).await?;
        progress.inc(1);
        anyhow::Ok(shard)
    });
    let rendered: Vec<_> = rendered.buffer_unordered(IN_FLIGHT).try_collect().await?;
    reading.await.context("the reader of the database died")??;
    Ok(rendered.into_iter().flatten().collect())
}

/// Where the shards of one try go.
pub(crate) struct Shelf<'a> {
    store: &'a ReleaseStore,
    attempt: Attempt,
    /// The blobs that may be named without uploading them: those of the parent release.
    reusable: HashMap<(u32, Digest), ShardKey>,
}

impl<'a> Shelf<'a> {
    /// The shelf for what follows `base`, of whose blobs the store lacks some.
    pub(crate) fn new(
        store: &'a ReleaseStore,
        attempt: Attempt,
        base: Option<&Manifest>,
        missing: &[ShardKey],
    ) -> Self {
        let shards = base.into_iter().flat_map(|base| &base.shards).map(|shard| &shard.key);
        let there = shards.filter(|key| !missing.contains(key));
        let reusable = there.map(|key| ((key.prefix, key.digest), key.clone())).collect();
        Self { store, attempt, reusable }
    }

    /// Brings one shard into the store. `None` where nobody has a result.
    async fn put(&self, prefix: u32, shard: Option<RenderedShard>) -> anyhow::Result<Option<ShardEntry>> {
        let Some(RenderedShard { blob, digest, students, first_id, last_id }) = shard else {
            return Ok(None);
        };
        let bytes = blob.len() as u64;
        let entry = |key| ShardEntry { key, bytes, students, first_id, last_id };
        // The parent's blob may be what made this shard be rendered: it is named only if it is whole.
        if let Some(key) = self.reusable.get(&(prefix, digest)) {
            let entry = entry(key.clone());
            if self.store.shard_bytes(&entry).await.is_ok() {
                return Ok(Some(entry));
            }
        }
        let key = ShardKey { prefix, digest, attempt: self.attempt.clone() };
        self.store.put_shard(&key, blob).await?;
        Ok(Some(entry(key)))
    }
}

async fn on_any_core<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    let (sender, receiver) = oneshot::channel();
    rayon::spawn(move || {
        // Nobody waits for the answer any more when the publication has failed elsewhere.
        let _unwanted = sender.send(work());
    });
    receiver.await.context("the renderer died")
}
