use std::time::{Duration, Instant};

use anyhow::bail;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use results_day::{
    log::for_a_log,
    progress,
    release::{
        AttemptPlan, Manifest, Part, PartReport, ReleaseError, ReleaseStore, RunName, RunStart, ShardKey,
    },
    source::{ExportedSnapshot, Source, SourceError},
};
use tokio::time::sleep;

use super::{
    history::{End, History, LOOK},
    reports::{are_there, shards_of},
};
use crate::{
    metrics::{Phase, Work},
    plan::Plan,
    publication::{self, Draft},
    publisher::{Began, Publisher},
    summary::Outcome,
};

/// How often the reports are looked for, and the snapshot is kept.
const POLL: Duration = Duration::from_millis(250);

/// Reports read at once.
const AT_ONCE: usize = 8;

/// Publishes what has changed since the current release, of which so many parts bring their shares.
///
/// Whoever loses the race for the next number, or the snapshot, starts over with a new attempt, and so do the parts. It
/// is an error where no further part reports to an attempt for as long as `patience`. Where the run has ended already,
/// or another committer ends it, there is nothing more to do.
pub async fn commit(
    source: &dyn Source,
    store: &ReleaseStore,
    run: &RunName,
    parts: u16,
    not_before: Option<Timestamp>,
    patience: Duration,
    work: &Work,
) -> anyhow::Result<Outcome> {
    let shared = source.shared()?;
    let publisher = Publisher::Person { not_before };
    let started = Instant::now();
    let mut history = History::of(store, run);
    let mut began = None;
    work.begins();
    loop {
        history.read().await?;
        if let Some(end) = history.end().await? {
            return Ok(Outcome::Ended(end.told(run)));
        }
        let planning = Instant::now();
        let base = store.current().await?;
        work.saw(base.as_ref());
        let began = match began {
            Some(began) => began,
            None => {
                // Before anything can fail for which this is started again.
                let start = store.begin_run(&RunStart::of(run.clone(), base.as_ref())).await?;
                work.during(Phase::Probe, store.probe()).await?;
                *began.insert(Began::from(&start))
            }
        };
        let missing = publication::missing(store, base.as_ref()).await?;
        let snapshot = shared.export().await?;
        let once = Try { store, run, base: base.as_ref(), parts, publisher, began, patience, work };
        match once.run(snapshot, missing, &mut history, planning, started).await {
            Ok(Some(outcome)) => return Ok(outcome),
            Ok(None) => {}
            Err(error) if is_lost(&error) => {
                tracing::warn!(error = for_a_log(&error), "the snapshot was lost; starting over");
                sleep(POLL).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// One try to commit on top of `base`.
struct Try<'a> {
    store: &'a ReleaseStore,
    run: &'a RunName,
    base: Option<&'a Manifest>,
    parts: u16,
    publisher: Publisher,
    began: Began,
    patience: Duration,
    work: &'a Work,
}

/// How the wait for the reports ended.
enum Gathered {
    /// Every part has reported, in the order of the parts.
    All(Vec<PartReport>),
    /// Another publisher has committed the release's number.
    Overtaken,
    /// Another committer has ended the run.
    Ended(End),
    /// These parts have not reported, and nobody has for a long time.
    Without(Vec<Part>),
}

impl Try<'_> {
    /// `None` where another publisher was faster.
    async fn run(
        &self,
        mut snapshot: Box<dyn ExportedSnapshot>,
        missing: Vec<ShardKey>,
        history: &mut History<'_>,
        planning: Instant,
        started: Instant,
    ) -> anyhow::Result<Option<Outcome>> {
        let (store, base) = (self.store, self.base);
        let origin = snapshot.origin().clone();
        let not_before = self.publisher.embargo(store, base, &origin.data_set, self.began).await?;
        let plan = Plan::of(snapshot.as_mut(), base, &missing).await?;
        let up_to_date = base
            .filter(|base| !base.is_rollback() && plan.keeps_all_of(base) && not_before == base.not_before);
        let (width, shares) = (plan.width, plan.shares(self.parts));
        self.work.spent(Phase::Plan, planning.elapsed());
        let exported = snapshot.name().to_owned();
        let said = AttemptPlan {
            up_to_date: up_to_date.is_some(),
            ..AttemptPlan::new(self.run.clone(), self.parts, base, missing, origin.clone(), exported)
        };
        store.open_attempt(&said).await?;
        if let Some(base) = up_to_date {
            // That is how the run has ended: the parts find it there whenever they come.
            return Ok(Some(Outcome::Unchanged(base.number)));
        }
        history.leave_out(&said.attempt);
        let reports = match self.gather(&said, snapshot.as_mut(), history).await? {
            Gathered::Overtaken => {
                self.work.races_lost.add(1);
                tracing::warn!(
                    "another publisher committed release {} first; starting over on top of it",
                    said.number()
                );
                return Ok(None);
            }
            Gathered::Ended(end) => return Ok(Some(Outcome::Ended(end.told(self.run)))),
            Gathered::Without(parts) => {
                let parts: Vec<_> = parts.iter().map(Part::to_string).collect();
                bail!(
                    "parts {} have not reported for {} s; start publish --run {} --part for each of them, and this again",
                    parts.join(", "),
                    self.patience.as_secs_f64(),
                    self.run
                );
            }
            Gathered::All(reports) => reports,
        };
        // All is read: who waits for the tables may have them.
        drop(snapshot);
        self.work.shards_kept.add(plan.keep.len() as u64);
        let mut shards = plan.keep;
        shards.extend(shards_of(reports, &said, width, &shares, base)?);
        shards.sort_unstable_by_key(|shard| shard.key.prefix);
        let draft = Draft { base, attempt: said.attempt, not_before, source: origin, width };
        let manifest = draft.of(shards)?;
        are_there(store, &manifest).await?;
        publication::commit(store, base, &manifest, self.publisher, self.began, started, self.work).await
    }

    /// Waits for the reports, and keeps the snapshot meanwhile.
    async fn gather(
        &self,
        plan: &AttemptPlan,
        snapshot: &mut dyn ExportedSnapshot,
        history: &mut History<'_>,
    ) -> anyhow::Result<Gathered> {
        let progress = progress::show("parts reported", u64::from(self.parts), 0);
        let mut missing: Vec<Part> = Part::all(self.parts).collect();
        let mut reports: Vec<PartReport> = Vec::new();
        let (mut last, mut looked) = (Instant::now(), Instant::now());
        loop {
            let asked = stream::iter(missing.clone()).map(|part| self.store.report(plan, part));
            let found: Vec<Option<PartReport>> = asked.buffered(AT_ONCE).try_collect().await?;
            let found: Vec<PartReport> = found.into_iter().flatten().collect();
            if !found.is_empty() {
                progress.inc(found.len() as u64);
                last = Instant::now();
                missing.retain(|part| !found.iter().any(|report| report.is_of(plan, *part)));
                reports.extend(found);
            }
            // Behind the reports: the tables were locked for as long as anybody read.
            snapshot.hold().await?;
            if missing.is_empty() {
                progress.finish_and_clear();
                reports.sort_unstable_by_key(|report| report.part);
                return Ok(Gathered::All(reports));
            }
            match self.store.manifest(plan.number()).await {
                Ok(None) => {}
                Ok(Some(_)) | Err(ReleaseError::Collected { .. }) => return Ok(Gathered::Overtaken),
                Err(error) => return Err(error.into()),
            }
            if looked.elapsed() >= LOOK {
                history.read().await?;
                if let Some(end) = history.end().await? {
                    return Ok(Gathered::Ended(end));
                }
                looked = Instant::now();
            }
            if last.elapsed() >= self.patience {
                return Ok(Gathered::Without(missing));
            }
            sleep(POLL).await;
        }
    }
}

/// Whether the database has let the snapshot go. One that is not there at all is found out by the next attempt.
fn is_lost(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(SourceError::Unavailable(_)))
}
