use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use anyhow::bail;
use results_day::{
    progress,
    release::{Attempt, AttemptPlan, Manifest, Part, PartReport, ReleaseError, ReleaseNumber, ReleaseStore},
    source::{SharedSnapshots, SnapshotReader, Source},
};
use tokio::time::sleep;

use super::outcome::PartOutcome;
use crate::{
    metrics::{Phase, Work},
    pipeline::{self, Shelf},
    plan::{self, Plan},
};

/// How often a part looks whether its attempt is committed: one request that mostly finds nothing.
const POLL: Duration = Duration::from_millis(250);

/// How often at least it looks for another attempt, and whether there is still a committer: one listing, and one
/// connection to the database. Early on it looks more often, so that it finds its attempt in no more than a quarter over
/// the time that the committer takes to open it.
const LOOK: Duration = Duration::from_secs(2);

/// Does this part's share of whichever attempt is open, and of the next one where that is over, until one of them is
/// committed.
///
/// A part that is started again does its share again, or finds its own report, and waits. It is an error where there is
/// something to publish and nobody to commit it for as long as `patience`.
pub async fn contribute(
    source: &dyn Source,
    store: &ReleaseStore,
    part: Part,
    patience: Duration,
    work: &Work,
) -> anyhow::Result<PartOutcome> {
    work.begins();
    let shared = source.shared()?;
    let started = Instant::now();
    let mut contributor =
        Contributor { shared, store, part, work, over: HashSet::new(), reported: Vec::new() };
    let (mut led, mut looked) = (Instant::now(), None);
    loop {
        if let Some((number, report)) = contributor.committed().await? {
            let uploaded = report.shards.iter().filter(|shard| shard.key.attempt == report.attempt).count();
            let (shards, elapsed) = (report.shards.len(), started.elapsed());
            return Ok(PartOutcome::Committed { part, number, shards, uploaded, elapsed });
        }
        if looked.is_none_or(|looked: Instant| looked.elapsed() >= LOOK.min(started.elapsed() / 4)) {
            match contributor.work().await? {
                Led::UpToDate(base) => return Ok(PartOutcome::UpToDate(part, base)),
                Led::Open => led = Instant::now(),
                Led::Nobody => {}
            }
            looked = Some(Instant::now());
        }
        if led.elapsed() >= patience {
            return without_a_committer(source, store, part, patience).await;
        }
        sleep(POLL).await;
    }
}

/// What there is to do where nobody commits: nothing, if all is published.
async fn without_a_committer(
    source: &dyn Source,
    store: &ReleaseStore,
    part: Part,
    patience: Duration,
) -> anyhow::Result<PartOutcome> {
    if let Some(base) = store.current().await?
        && !base.is_rollback()
        && plan::is_up_to_date(source, &base).await?
    {
        return Ok(PartOutcome::UpToDate(part, base.number));
    }
    bail!(
        "nobody has committed what part {part} is for within {} s; run publish --parts {} with the same database and \
         the same bucket, and this again",
        patience.as_secs_f64(),
        part.of()
    )
}

/// A part at work.
struct Contributor<'a> {
    shared: &'a dyn SharedSnapshots,
    store: &'a ReleaseStore,
    part: Part,
    work: &'a Work,
    /// Attempts that nobody holds any more, or that another publisher has overtaken.
    over: HashSet<Attempt>,
    /// Attempts in which this part's report is there, with it.
    reported: Vec<(AttemptPlan, PartReport)>,
}

/// Who leads.
enum Led {
    /// An open attempt has this part's report.
    Open,
    /// The committer of an open attempt says that this release is up to date.
    UpToDate(ReleaseNumber),
    /// No attempt is open.
    Nobody,
}

impl Contributor<'_> {
    /// The release that one of the attempts was committed as, and what this part has brought.
    async fn committed(&mut self) -> anyhow::Result<Option<(ReleaseNumber, PartReport)>> {
        let mut waiting = Vec::new();
        // The newest first: if that was committed, it is what took the others' number.
        for (plan, report) in std::mem::take(&mut self.reported).into_iter().rev() {
            match self.store.manifest(plan.number()).await {
                Ok(Some(manifest)) if manifest.attempt == plan.attempt => {
                    return Ok(Some((manifest.number, report)));
                }
                Ok(Some(_)) | Err(ReleaseError::Collected { .. }) => {
                    tracing::warn!(
                        "another publisher committed release {} first; waiting for the next attempt",
                        plan.number()
                    );
                    self.over.insert(plan.attempt);
                }
                Ok(None) => waiting.push((plan, report)),
                Err(error) => return Err(error.into()),
            }
        }
        waiting.reverse();
        self.reported = waiting;
        Ok(None)
    }

    /// Makes sure that the newest attempt that is open has this part's report.
    async fn work(&mut self) -> anyhow::Result<Led> {
        for attempt in self.store.attempts().await? {
            if self.over.contains(&attempt) {
                continue;
            }
            if let Some((plan, _)) = self.reported.iter().find(|(plan, _)| plan.attempt == attempt) {
                match self.shared.is_held(&plan.exported).await? {
                    true => return Ok(Led::Open),
                    // It may be about to be committed.
                    false => continue,
                }
            }
            if let Some(led) = self.take_part(&attempt).await? {
                return Ok(led);
            }
            self.over.insert(attempt);
        }
        Ok(Led::Nobody)
    }

    /// Does what there is to do in an attempt; `None` where it is over.
    async fn take_part(&mut self, attempt: &Attempt) -> anyhow::Result<Option<Led>> {
        let plan = match self.store.attempt_plan(attempt).await {
            Ok(Some(plan)) => plan,
            Ok(None) => return Ok(None),
            Err(error @ ReleaseError::Different { .. }) => {
                tracing::warn!("{}; it is passed over", error.for_a_log());
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let Some(reader) = self.shared.import(&plan.exported, &plan.source).await? else { return Ok(None) };
        self.check(&plan)?;
        let report = match self.store.report(&plan, self.part).await? {
            Some(report) => report,
            None => {
                let base = match plan.base {
                    Some(number) => match self.store.manifest(number).await {
                        Ok(Some(base)) => Some(base),
                        // A collection has given it up, behind a fence that overtakes the attempt.
                        Err(ReleaseError::Collected { .. }) => return Ok(None),
                        Ok(None) => return Err(ReleaseError::Absent(number).into()),
                        Err(error) => return Err(error.into()),
                    },
                    None => None,
                };
                self.render(&plan, base.as_ref(), reader).await?
            }
        };
        if let Some(base) = plan.base.filter(|_| plan.up_to_date) {
            return Ok(Some(Led::UpToDate(base)));
        }
        self.reported.push((plan, report));
        Ok(Some(Led::Open))
    }

    fn check(&self, plan: &AttemptPlan) -> anyhow::Result<()> {
        let AttemptPlan { attempt, parts, renderer, encoder, .. } = plan;
        if *parts != self.part.of() {
            bail!(
                "the publication that is open, attempt {attempt}, has {parts} parts, and this is part {}; give the same \
                 number to --parts and to each --part",
                self.part
            );
        }
        if !plan.is_rendered_alike() {
            bail!(
                "the committer of attempt {attempt} renders otherwise (renderer {renderer}, encoder {encoder}); run the \
                 same version of this program everywhere"
            );
        }
        Ok(())
    }

    /// Brings this part's share into the store, and reports it.
    async fn render(
        &self,
        plan: &AttemptPlan,
        base: Option<&Manifest>,
        mut reader: Box<dyn SnapshotReader>,
    ) -> anyhow::Result<PartReport> {
        let planned = Plan::of(reader.as_mut(), base, &plan.missing);
        let share = self.work.during(Phase::Plan, planned).await?.share(self.part);
        let (width, prefixes) = (share.width, share.prefixes());
        let shelf = Shelf::new(self.store, plan.attempt.clone(), base, &plan.missing, self.work);
        let progress = progress::show("shards brought", share.steps() as u64, 0);
        let shards = self.work.during(Phase::Render, pipeline::run(reader, share, &shelf, &progress)).await?;
        progress.finish_and_clear();
        let report = PartReport::new(plan, self.part, width, &prefixes, shards);
        self.store.hand_in(&report).await?;
        Ok(report)
    }
}
