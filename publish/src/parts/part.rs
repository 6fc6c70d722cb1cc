use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use anyhow::bail;
use results_day::{
    log::for_a_log,
    progress,
    release::{Attempt, AttemptPlan, Manifest, Part, PartReport, ReleaseError, ReleaseStore, RunName},
    source::{SharedSnapshots, SnapshotReader, Source, SourceError},
};
use tokio::time::sleep;

use super::{
    history::{End, History, LOOK},
    outcome::PartOutcome,
};
use crate::{
    metrics::{Phase, Work},
    pipeline::{self, Shelf},
    plan::Plan,
};

/// How often a part looks whether its attempt is committed: one request that mostly finds nothing.
const POLL: Duration = Duration::from_millis(250);

/// Does this part's share of whichever attempt of the run is open, and of the next one where that is over, until the run
/// has ended.
///
/// A part that is started again does its share again, or finds its own report, and waits. It is an error where nobody
/// commits for as long as `patience`. What failed once the database and the store had answered is tried again for as
/// long: nobody else brings this share.
pub async fn contribute(
    source: &dyn Source,
    store: &ReleaseStore,
    run: &RunName,
    part: Part,
    patience: Duration,
    work: &Work,
) -> anyhow::Result<PartOutcome> {
    work.begins();
    let shared = source.shared()?;
    let started = Instant::now();
    // Before a committer is waited for.
    shared.reach().await?;
    let mut contributor = Contributor {
        shared,
        store,
        part,
        work,
        history: History::of(store, run),
        lost: HashSet::new(),
        reported: HashMap::new(),
    };
    contributor.history.read().await?;
    // One listing, and one connection to the database. Early on they come more often, so that a part finds its attempt
    // in no more than a quarter over the time that the committer takes to open it.
    let is_due = |looked: Option<Instant>| {
        looked.is_none_or(|looked| looked.elapsed() >= LOOK.min(started.elapsed() / 4))
    };
    let (mut led, mut looked, mut trouble) = (Instant::now(), None, None);
    loop {
        let due = is_due(looked);
        match contributor.step(due).await {
            Ok(Step::Ended(end)) => return Ok(contributor.outcome(&end, run, started)),
            Ok(Step::Led) => (led, trouble) = (Instant::now(), None),
            Ok(Step::Waits) if due => trouble = None,
            Ok(Step::Waits) => {}
            Err(error) if may_pass(&error) => {
                if trouble.is_none() {
                    tracing::warn!(error = for_a_log(&error), "this is tried again until it works");
                }
                trouble = Some(error);
            }
            Err(error) => return Err(error),
        }
        if due {
            looked = Some(Instant::now());
        }
        if led.elapsed() >= patience {
            if let Some(trouble) = trouble {
                return Err(trouble);
            }
            bail!(
                "nobody has committed what part {part} is for within {} s; run publish --run {run} --parts {} with the \
                 same database and the same bucket, and this again",
                patience.as_secs_f64(),
                part.of()
            );
        }
        sleep(POLL).await;
    }
}

/// A part at work.
struct Contributor<'a> {
    shared: &'a dyn SharedSnapshots,
    store: &'a ReleaseStore,
    part: Part,
    work: &'a Work,
    history: History<'a>,
    /// Attempts whose snapshot nobody holds any more. They may be about to be committed.
    lost: HashSet<Attempt>,
    /// What this part has brought to which attempts.
    reported: HashMap<Attempt, PartReport>,
}

/// What a look around has shown.
enum Step {
    /// The run has ended.
    Ended(End),
    /// An open attempt has this part's report.
    Led,
    /// Nobody leads, or it was not looked for.
    Waits,
}

impl Contributor<'_> {
    /// Looks whether the run has ended, and where that is `due`, makes sure that the newest attempt that is open has this
    /// part's report.
    async fn step(&mut self, due: bool) -> anyhow::Result<Step> {
        if due {
            self.history.read().await?;
        }
        if let Some(end) = self.history.end().await? {
            return Ok(Step::Ended(end));
        }
        if due && self.is_led().await? { Ok(Step::Led) } else { Ok(Step::Waits) }
    }

    async fn is_led(&mut self) -> anyhow::Result<bool> {
        for plan in self.history.open().to_vec() {
            if self.lost.contains(&plan.attempt) {
                continue;
            }
            let is_open = match self.reported.contains_key(&plan.attempt) {
                true => self.shared.is_held(&plan.exported).await?,
                false => self.take_part(&plan).await?,
            };
            if is_open {
                return Ok(true);
            }
            self.lost.insert(plan.attempt);
        }
        Ok(false)
    }

    /// Does what there is to do in an attempt; `false` where it is over.
    async fn take_part(&mut self, plan: &AttemptPlan) -> anyhow::Result<bool> {
        let Some(reader) = self.shared.import(&plan.exported, &plan.source).await? else { return Ok(false) };
        self.check(plan)?;
        let report = match self.store.report(plan, self.part).await? {
            Some(report) => report,
            None => {
                let base = match plan.base {
                    Some(number) => match self.store.manifest(number).await {
                        Ok(Some(base)) => Some(base),
                        // A collection has given it up, behind a fence that overtakes the attempt.
                        Err(ReleaseError::Collected { .. }) => return Ok(false),
                        Ok(None) => return Err(ReleaseError::Absent(number).into()),
                        Err(error) => return Err(error.into()),
                    },
                    None => None,
                };
                self.render(plan, base.as_ref(), reader).await?
            }
        };
        self.reported.insert(plan.attempt.clone(), report);
        Ok(true)
    }

    /// What this part has to say of the end.
    fn outcome(&self, end: &End, run: &RunName, started: Instant) -> PartOutcome {
        let part = self.part;
        let (number, report) = match end {
            End::Committed(number, attempt) => (*number, self.reported.get(attempt)),
            End::UpToDate(number) => (*number, None),
        };
        let Some(report) = report else { return PartOutcome::Ended(part, end.told(run)) };
        let uploaded = report.shards.iter().filter(|shard| shard.key.attempt == report.attempt).count();
        let (shards, elapsed) = (report.shards.len(), started.elapsed());
        PartOutcome::Committed { part, number, shards, uploaded, elapsed }
    }

    fn check(&self, plan: &AttemptPlan) -> anyhow::Result<()> {
        let AttemptPlan { run, attempt, parts, renderer, encoder, .. } = plan;
        if *parts != self.part.of() {
            bail!(
                "the publication that is open, attempt {attempt} of run {run}, has {parts} parts, and this is part {}; \
                 give the same number to --parts and to each --part",
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
        self.store.hand_in(&plan.run, &report).await?;
        Ok(report)
    }
}

/// Whether it is the database or the store that may be itself again the next time.
fn may_pass(error: &anyhow::Error) -> bool {
    match error.downcast_ref() {
        Some(error) => matches!(error, SourceError::Unavailable(_)),
        None => error.downcast_ref().is_some_and(ReleaseError::may_pass),
    }
}
