//! One publication, from the snapshot to the commit.

use std::time::Instant;

use anyhow::bail;
use jiff::Timestamp;
use results_day::{
    progress,
    release::{Attempt, Commit, FORMAT, Manifest, ReleaseNumber, ReleaseStore},
    shard::ENCODER,
    source::Source,
    student::RENDERER,
};

use crate::{
    pipeline::{self, Reusable, Shards},
    plan::{self, Plan},
    summary::Outcome,
};

/// Who publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Publisher {
    /// Somebody who knows what the current release is.
    Person,
    /// A program on its own. It publishes nothing on top of a rollback, which somebody made for a reason.
    Watcher,
}

/// Publishes what has changed since the current release, or everything where there is none to build on.
///
/// Whoever loses the race for the next number starts over from a new snapshot on top of the winner, so that
/// no older snapshot ever replaces a newer one.
pub(crate) async fn publish(
    source: &dyn Source,
    store: &ReleaseStore,
    publisher: Publisher,
) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    // One attempt names all blobs of this run, whatever it is that makes it start over.
    let attempt = Attempt::random();
    let mut probed = false;
    loop {
        let base = store.current().await?;
        match &base {
            // The winner of a race may be a rollback, too.
            Some(base) if base.is_rollback() && publisher == Publisher::Watcher => {
                return Ok(Outcome::RolledBack(base.number));
            }
            // With what a person publishes the rollback is over, even if nothing has changed since what it repeats.
            Some(base) if base.is_rollback() => {}
            Some(base) if plan::is_up_to_date(source, base).await? => {
                return Ok(Outcome::Unchanged(base.number));
            }
            _ => {}
        }
        if !probed {
            store.probe().await?;
            probed = true;
        }
        let (manifest, shards) = prepare(source, store, base.as_ref(), &attempt).await?;
        match store.commit(&manifest).await? {
            Commit::Won => {
                return Ok(Outcome::Published {
                    number: manifest.number,
                    students: manifest.students,
                    shards: manifest.shards.len(),
                    uploaded: shards.uploaded,
                    uploaded_bytes: shards.uploaded_bytes,
                    elapsed: started.elapsed(),
                });
            }
            Commit::Lost => eprintln!(
                "publish: another publisher committed release {} first; starting over on top of it",
                manifest.number
            ),
        }
    }
}

/// Brings every blob of the next release into the store. Nothing is visible before its commit.
async fn prepare(
    source: &dyn Source,
    store: &ReleaseStore,
    base: Option<&Manifest>,
    attempt: &Attempt,
) -> anyhow::Result<(Manifest, Shards)> {
    let mut reader = source.snapshot().await?;
    let origin = reader.origin().clone();
    let changed = match base {
        Some(base) => plan::changed_since(reader.as_mut(), base).await?.map(|changed| (base, changed)),
        None => None,
    };
    let plan = match changed {
        Some((base, changed)) => Plan::incremental(base, &changed),
        None => Plan::full(reader.as_mut()).await?,
    };
    let width = plan.width;
    let progress = progress::show("shards published", plan.render.len() as u64, 0);
    let shards = pipeline::run(reader, plan, store, attempt, &reusable(base), &progress).await?;
    progress.finish_and_clear();

    let (Some(first), Some(last)) = (shards.entries.first(), shards.entries.last()) else {
        bail!("nobody in the data set has a result; an empty release would hide every student");
    };
    let manifest = Manifest {
        format: FORMAT,
        number: base.map_or(ReleaseNumber::FIRST, |base| base.number.next()),
        parent: base.map(|base| base.number),
        repeats: None,
        oldest: base.map_or(ReleaseNumber::FIRST, |base| base.oldest),
        attempt: attempt.clone(),
        created: Timestamp::now(),
        not_before: base.and_then(|base| base.not_before),
        renderer: RENDERER,
        encoder: ENCODER.to_owned(),
        source: origin,
        width,
        students: shards.entries.iter().map(|shard| u64::from(shard.students)).sum(),
        first_id: first.first_id,
        last_id: last.last_id,
        shards: shards.entries.clone(),
    };
    Ok((manifest, shards))
}

fn reusable(base: Option<&Manifest>) -> Reusable {
    let shards = base.into_iter().flat_map(|base| &base.shards);
    shards.map(|shard| ((shard.key.prefix, shard.key.digest), shard.key.clone())).collect()
}
