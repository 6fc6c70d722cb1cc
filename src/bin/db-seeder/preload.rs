use std::{
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use results_day::{
    cache::redis::{Preload, Preloaded, Thousand},
    changes::{ChangeLog, Snapshot},
    progress,
    shard::Width,
    source::Source,
    student::{self, Student},
};
use tokio::sync::mpsc;

use crate::metrics::Done;

/// Thousands on their way to the cache, each about 0.4 MB, and thousands read ahead of them.
const IN_FLIGHT: usize = 4;
const READ_AHEAD: usize = 4;

/// What a preload did.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Everything was there.
    Complete,
    /// So many documents were put in, and so many students had theirs already.
    Loaded { documents: usize, there: u64, elapsed: Duration },
}

/// Puts everybody's document into the cache, each under the standing it was read under: it is good until the
/// student's first correction, and not a moment longer.
pub(crate) async fn preload(source: &dyn Source, url: &str, done: &Done) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let known = source.changes_since(&Snapshot::NOTHING).await?;
    let log: ChangeLog = known.rows.into_iter().collect();
    let mut cache = Preload::connect(url, &known.data_set, log.everything()).await?;
    if cache.is_complete().await? {
        return Ok(Outcome::Complete);
    }
    let mut reader = source.snapshot().await?;
    let log = reader.changes(&Snapshot::NOTHING).await?;
    let census = reader.census().await?;
    let Preloaded::Missing(blocks) = cache.begin(&census).await? else { return Ok(Outcome::Complete) };
    let students: u64 = census.iter().map(|(_, students)| u64::from(*students)).sum();

    let progress = progress::show("thousands cached", blocks.len() as u64, 0);
    let (sender, mut batches) = mpsc::channel(READ_AHEAD);
    let ranges = blocks.iter().filter_map(|block| ids(*block)).collect();
    let reading = tokio::spawn(reader.read(ranges, sender));
    let batches = stream::poll_fn(move |context| batches.poll_recv(context));
    let loaded: Vec<usize> = stream::iter(blocks)
        .zip(batches)
        .map(|(block, students)| {
            let (mut cache, log, progress) = (cache.clone(), log.clone(), progress.clone());
            async move {
                let thousand = render(cache.thousand(block, students.len()), students, log).await?;
                let documents = thousand.len();
                cache.put(thousand).await?;
                done.cached(documents as u64);
                progress.inc(1);
                anyhow::Ok(documents)
            }
        })
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await?;
    reading.await.context("the reader of the database died")??;
    cache.finish().await?;
    progress.finish_and_clear();
    let documents = loaded.iter().sum();
    let there = students.saturating_sub(documents as u64);
    Ok(Outcome::Loaded { documents, there, elapsed: started.elapsed() })
}

/// The cache's thousands are the source's.
fn ids(block: u32) -> Option<RangeInclusive<u32>> {
    Width::DENSE.ids(block)
}

async fn render(mut thousand: Thousand, students: Vec<Student>, log: ChangeLog) -> anyhow::Result<Thousand> {
    let render = move || {
        for student in students {
            thousand.add(student.id, &log.standing(student.id), |value| student::render(&student, value));
        }
        thousand
    };
    tokio::task::spawn_blocking(render).await.context("the renderer died")
}
