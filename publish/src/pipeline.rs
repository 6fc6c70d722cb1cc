//! Read, render, upload, verify: the shards of a plan, on all cores and in bounded memory.

use std::collections::HashMap;

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use results_day::{
    release::{Attempt, Digest, ReleaseStore, ShardEntry, ShardKey},
    source::SnapshotReader,
    student::Student,
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    plan::Plan,
    render::{self, RenderedShard},
};

/// Shards between the reader and the store: being rendered, uploaded, read back. With batches that wait
/// (below) this bounds the memory: each shard is its students, its blob and the blob read back, together
/// about 700 KB for 1,000 students.
const IN_FLIGHT: usize = 16;

/// Batches read ahead of the renderers.
const READ_AHEAD: usize = 4;

/// What one run of the pipeline leaves in the store.
pub(crate) struct Shards {
    /// Every shard of the release, in the order of the prefixes.
    pub(crate) entries: Vec<ShardEntry>,
    /// How many were uploaded because the base had no such blob.
    pub(crate) uploaded: usize,
    /// Their bytes.
    pub(crate) uploaded_bytes: u64,
}

/// The blobs that may be named without uploading them: those of the parent release.
pub(crate) type Reusable = HashMap<(u32, Digest), ShardKey>;

pub(crate) async fn run(
    reader: Box<dyn SnapshotReader>,
    plan: Plan,
    store: &ReleaseStore,
    attempt: &Attempt,
    reusable: &Reusable,
    progress: &ProgressBar,
) -> anyhow::Result<Shards> {
    let (prefixes, ranges): (Vec<_>, Vec<_>) = plan.render.into_iter().unzip();
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    let reading = tokio::spawn(reader.read(ranges, sender));
    let batches = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let rendered = stream::iter(prefixes)
        .zip(batches)
        .map(|(prefix, students)| async move {
            let shard = publish_shard(prefix, students, store, attempt, reusable).await;
            progress.inc(1);
            shard
        })
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<Vec<_>>()
        .await?;
    reading.await.context("the reader of the database died")??;

    let new = || rendered.iter().flatten().filter(|(_, uploaded)| *uploaded).map(|(entry, _)| entry);
    let (uploaded, uploaded_bytes) = (new().count(), new().map(|entry| entry.bytes).sum());
    let mut entries = plan.keep;
    entries.extend(rendered.into_iter().flatten().map(|(entry, _)| entry));
    entries.sort_by_key(|entry| entry.key.prefix);
    Ok(Shards { entries, uploaded, uploaded_bytes })
}

/// Brings one shard into the store, and says whether it had to be uploaded. `None` where nobody has a result.
async fn publish_shard(
    prefix: u32,
    students: Vec<Student>,
    store: &ReleaseStore,
    attempt: &Attempt,
    reusable: &Reusable,
) -> anyhow::Result<Option<(ShardEntry, bool)>> {
    let Some(shard) = render_on_any_core(students).await? else { return Ok(None) };
    let RenderedShard { blob, digest, students, first_id, last_id } = shard;
    let bytes = blob.len() as u64;
    let (key, uploaded) = match reusable.get(&(prefix, digest)) {
        Some(key) => (key.clone(), false),
        None => {
            let key = ShardKey { prefix, digest, attempt: attempt.clone() };
            store.put_shard(&key, blob).await?;
            (key, true)
        }
    };
    Ok(Some((ShardEntry { key, bytes, students, first_id, last_id }, uploaded)))
}

async fn render_on_any_core(students: Vec<Student>) -> anyhow::Result<Option<RenderedShard>> {
    let (sender, receiver) = oneshot::channel();
    rayon::spawn(move || {
        // Nobody waits for the answer any more when the publication has failed elsewhere.
        let _unwanted = sender.send(render::render(&students));
    });
    Ok(receiver.await.context("the renderer died")??)
}
