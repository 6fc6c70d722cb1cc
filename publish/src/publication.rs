//! One publication, from the snapshot to the commit.

use std::time::Instant;

use anyhow::bail;
use jiff::Timestamp;
use results_day::{
    progress,
    release::{
        Attempt, Commit, FORMAT, Manifest, ReleaseNumber, ReleaseStore, ShardEntry, ShardKey, embargo,
    },
    shard::{ENCODER, Width},
    source::{Origin, Source},
    student::RENDERER,
};

use crate::{
    pipeline::{self, Shelf},
    plan::{self, Plan},
    summary::Outcome,
};

/// Who publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publisher {
    /// Somebody who knows what the current release is.
    Person {
        /// Sets the embargo, or moves it; without it the embargo stays as it is.
        not_before: Option<Timestamp>,
    },
    /// A program on its own. It publishes nothing on top of a rollback, which somebody made for a reason, and nothing
    /// of another data set than the current release's: when those results may be seen is for somebody to say.
    Watcher {
        /// The embargo of the first release of all.
        not_before: Option<Timestamp>,
    },
}

impl Publisher {
    fn is_person(self) -> bool {
        matches!(self, Self::Person { .. })
    }

    /// The embargo of what follows `base`, as things stand now.
    pub(crate) async fn embargo(
        self,
        store: &ReleaseStore,
        base: Option<&Manifest>,
        data_set: &str,
    ) -> anyhow::Result<Option<Timestamp>> {
        let now = Timestamp::now();
        let asked = match self {
            Self::Person { not_before } => not_before,
            // It is started again with the same flags, long after the hour as well.
            Self::Watcher { not_before } => not_before.filter(|instant| base.is_none() && *instant > now),
        };
        // Whose clock is slow must not hide what was seen, nor put off what is about to open.
        let now = if asked.is_some() { now.max(store.now().await?) } else { now };
        Ok(match base {
            None => embargo(&[], data_set, asked, now)?,
            Some(base) if base.source.data_set == data_set => {
                embargo(std::slice::from_ref(base), data_set, asked, now)?
            }
            Some(base) => embargo(&store.kept_by(base).await?, data_set, asked, now)?,
        })
    }
}

/// Publishes what has changed since the current release, or everything where there is none to build on.
///
/// Whoever loses the race for the next number starts over from a new snapshot on top of the winner, so that
/// no older snapshot ever replaces a newer one.
pub async fn publish(
    source: &dyn Source,
    store: &ReleaseStore,
    publisher: Publisher,
) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let mut probed = false;
    loop {
        let base = store.current().await?;
        // The winner of a race may be a rollback, too.
        if let Some(base) = base.as_ref().filter(|base| base.is_rollback())
            && !publisher.is_person()
        {
            return Ok(Outcome::RolledBack(base.number));
        }
        let missing = missing(store, base.as_ref()).await?;
        if let Some(base) = &base
            && missing.is_empty()
            && says_the_same(source, store, base, publisher).await?
        {
            return Ok(Outcome::Unchanged(base.number));
        }
        if !probed {
            store.probe().await?;
            probed = true;
        }
        let manifest = prepare(source, store, base.as_ref(), &missing, publisher).await?;
        if let Some(outcome) = commit(store, base.as_ref(), &manifest, publisher, started).await? {
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
    started: Instant,
) -> anyhow::Result<Option<Outcome>> {
    // A store that dawdled may have taken the time in which the hour could be moved.
    publisher.embargo(store, base, &manifest.source.data_set).await?;
    if store.commit(manifest).await? == Commit::Lost {
        tracing::warn!(
            "another publisher committed release {} first; starting over on top of it",
            manifest.number
        );
        return Ok(None);
    }
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
) -> anyhow::Result<bool> {
    Ok(!base.is_rollback()
        && plan::is_up_to_date(source, base).await?
        && publisher.embargo(store, Some(base), &base.source.data_set).await? == base.not_before)
}

/// Brings every blob of the next release into the store. Nothing is visible before its commit.
async fn prepare(
    source: &dyn Source,
    store: &ReleaseStore,
    base: Option<&Manifest>,
    missing: &[ShardKey],
    publisher: Publisher,
) -> anyhow::Result<Manifest> {
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
    let not_before = publisher.embargo(store, base, &origin.data_set).await?;
    let plan = Plan::of(reader.as_mut(), base, missing).await?;
    // Of each try: whoever lost a race names nothing that was written before it, which a collector may have been
    // the winner to delete.
    let draft = Draft { base, attempt: Attempt::random(), not_before, source: origin, width: plan.width };
    let progress = progress::show("shards published", plan.steps() as u64, 0);
    let shelf = Shelf::new(store, draft.attempt.clone(), base, missing);
    let shards = pipeline::run(reader, plan, &shelf, &progress).await?;
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
