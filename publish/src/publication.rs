//! One publication, from the snapshot to the commit.

use std::time::Instant;

use anyhow::bail;
use jiff::Timestamp;
use results_day::{
    progress,
    release::{Attempt, Commit, FORMAT, Manifest, ReleaseNumber, ReleaseStore, ShardEntry, ShardKey},
    shard::{ENCODER, Width},
    source::{Origin, Source},
    student::RENDERER,
};

use crate::{
    metrics::{Phase, Work},
    pipeline::{self, Shelf},
    plan::{self, Plan},
    publisher::{Began, Publisher},
    summary::Outcome,
};

/// Publishes what has changed since the current release, or everything where there is none to build on.
///
/// What is done is counted in `work`, also where this fails. Whoever loses the race for the next number starts over
/// from a new snapshot on top of the winner, so that no older snapshot ever replaces a newer one.
pub async fn publish(
    source: &dyn Source,
    store: &ReleaseStore,
    publisher: Publisher,
    work: &Work,
) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let mut probed = false;
    let mut began = None;
    work.begins();
    loop {
        let looking = Instant::now();
        let base = store.current().await?;
        work.saw(base.as_ref());
        let began = *began.get_or_insert(Began::on(base.as_ref()));
        // The winner of a race may be a rollback, too.
        if let Some(base) = base.as_ref().filter(|base| base.is_rollback())
            && !publisher.is_person()
        {
            return Ok(Outcome::RolledBack(base.number));
        }
        let missing = missing(store, base.as_ref()).await?;
        let unchanged = match &base {
            Some(base) if missing.is_empty() => {
                says_the_same(source, store, base, publisher, began).await?.then_some(base.number)
            }
            _ => None,
        };
        work.spent(Phase::Plan, looking.elapsed());
        if let Some(number) = unchanged {
            return Ok(Outcome::Unchanged(number));
        }
        if !probed {
            work.during(Phase::Probe, store.probe()).await?;
            probed = true;
        }
        let manifest = prepare(source, store, base.as_ref(), &missing, publisher, began, work).await?;
        if let Some(outcome) =
            commit(store, base.as_ref(), &manifest, publisher, began, started, work).await?
        {
            return Ok(outcome);
        }
    }
}

/// The blobs of the current release that the store has lost.
pub(crate) async fn missing(store: &ReleaseStore, base: Option<&Manifest>) -> anyhow::Result<Vec<ShardKey>> {
    let Some(base) = base else { return Ok(Vec::new()) };
    let missing = store.missing(base).await?;
    if !missing.is_empty() {
        tracing::warn!(
            blobs = missing.len(),
            "the store has lost blobs of the current release; making them again"
        );
    }
    Ok(missing)
}

/// Makes a release on top of `base` current; `None` where another publisher was faster.
pub(crate) async fn commit(
    store: &ReleaseStore,
    base: Option<&Manifest>,
    manifest: &Manifest,
    publisher: Publisher,
    began: Began,
    started: Instant,
    work: &Work,
) -> anyhow::Result<Option<Outcome>> {
    // A store that dawdled may have taken the time in which the hour could be moved.
    publisher.embargo(store, base, &manifest.source.data_set, began).await?;
    if work.during(Phase::Commit, store.commit(manifest)).await? == Commit::Lost {
        work.races_lost.add(1);
        tracing::warn!(
            "another publisher committed release {} first; starting over on top of it",
            manifest.number
        );
        return Ok(None);
    }
    work.saw(Some(manifest));
    // What was uploaded is named by the try; the other blobs are the base's.
    let uploaded = || manifest.shards.iter().filter(|shard| shard.key.attempt == manifest.attempt);
    Ok(Some(Outcome::Published {
        number: manifest.number,
        students: manifest.students,
        shards: manifest.shards.len(),
        uploaded: uploaded().count(),
        uploaded_bytes: uploaded().map(|shard| shard.bytes).sum(),
        not_before: manifest.not_before.filter(|instant| *instant > Timestamp::now()),
        elapsed: started.elapsed(),
    }))
}

/// Whether a release on top of `base` would say nothing new. On top of a rollback it does: what a person publishes
/// ends that, even if nothing has changed since what it repeats.
async fn says_the_same(
    source: &dyn Source,
    store: &ReleaseStore,
    base: &Manifest,
    publisher: Publisher,
    began: Began,
) -> anyhow::Result<bool> {
    Ok(!base.is_rollback()
        && plan::is_up_to_date(source, base).await?
        && publisher.embargo(store, Some(base), &base.source.data_set, began).await? == base.not_before)
}

/// Brings every blob of the next release into the store. Nothing is visible before its commit.
async fn prepare(
    source: &dyn Source,
    store: &ReleaseStore,
    base: Option<&Manifest>,
    missing: &[ShardKey],
    publisher: Publisher,
    began: Began,
    work: &Work,
) -> anyhow::Result<Manifest> {
    let planning = Instant::now();
    let mut reader = source.snapshot().await?;
    let origin = reader.origin().clone();
    if let Some(base) = base.filter(|base| base.source.data_set != origin.data_set)
        && !publisher.is_person()
    {
        bail!(
            "the database holds another data set than release {}, which only a person publishes",
            base.number
        );
    }
    let not_before = publisher.embargo(store, base, &origin.data_set, began).await?;
    let plan = Plan::of(reader.as_mut(), base, missing).await?;
    work.spent(Phase::Plan, planning.elapsed());
    // Of each try: whoever lost a race names nothing that was written before it, which a collector may have been
    // the winner to delete.
    let draft = Draft { base, attempt: Attempt::random(), not_before, source: origin, width: plan.width };
    let progress = progress::show("shards published", plan.steps() as u64, 0);
    let shelf = Shelf::new(store, draft.attempt.clone(), base, missing, work);
    let shards = work.during(Phase::Render, pipeline::run(reader, plan, &shelf, &progress)).await?;
    progress.finish_and_clear();
    draft.of(shards)
}

/// All of a release but its shards.
pub(crate) struct Draft<'a> {
    pub(crate) base: Option<&'a Manifest>,
    pub(crate) attempt: Attempt,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) source: Origin,
    pub(crate) width: Width,
}

impl Draft<'_> {
    /// The release of these shards, which are in order.
    pub(crate) fn of(self, shards: Vec<ShardEntry>) -> anyhow::Result<Manifest> {
        let Self { base, attempt, not_before, source, width } = self;
        let (Some(first), Some(last)) = (shards.first(), shards.last()) else {
            bail!("nobody in the data set has a result; an empty release would hide every student");
        };
        Ok(Manifest {
            format: FORMAT,
            number: base.map_or(ReleaseNumber::FIRST, |base| base.number.next()),
            parent: base.map(|base| base.number),
            repeats: None,
            oldest: base.map_or(ReleaseNumber::FIRST, |base| base.oldest),
            attempt,
            created: Timestamp::now(),
            not_before,
            renderer: RENDERER,
            encoder: ENCODER.to_owned(),
            source,
            width,
            students: shards.iter().map(|shard| u64::from(shard.students)).sum(),
            first_id: first.first_id,
            last_id: last.last_id,
            shards,
        })
    }
}
