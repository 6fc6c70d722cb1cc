use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use results_day::release::{Attempt, AttemptPlan, ReleaseError, ReleaseNumber, ReleaseStore, RunName};

/// How often at least it is looked for other attempts of the run.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// What is known of the attempts of one run: whether it has ended, and which of them may still be committed.
pub(super) struct History<'a> {
    store: &'a ReleaseStore,
    run: &'a RunName,
    /// The plans of attempts that may still be committed or end the run, the newest first.
    open: Vec<AttemptPlan>,
    /// Attempts that need not be looked at.
    known: HashSet<Attempt>,
    /// Attempts whose plan was garbled.
    garbled: HashSet<Attempt>,
}

/// How a run has ended. Nobody does anything more for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// One of its attempts is this release.
    Committed(ReleaseNumber, Attempt),
    /// One of its committers found that this release says everything already.
    UpToDate(ReleaseNumber),
}

impl<'a> History<'a> {
    pub(super) fn of(store: &'a ReleaseStore, run: &'a RunName) -> Self {
        Self { store, run, open: Vec::new(), known: HashSet::new(), garbled: HashSet::new() }
    }

    /// Reads the plans that have come: one listing, and each of them once.
    pub(super) async fn read(&mut self) -> Result<(), ReleaseError> {
        let listed = self.store.attempts(self.run).await?;
        for attempt in listed.iter().filter(|attempt| !self.known.contains(attempt)) {
            match self.store.attempt_plan(self.run, attempt).await {
                Ok(Some(plan)) => self.open.push(plan),
                Ok(None) => {}
                Err(error @ ReleaseError::Different { .. }) => {
                    if self.garbled.insert(attempt.clone()) {
                        tracing::warn!("{}; it is read again later", error.for_a_log());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        self.known.extend(self.open.iter().map(|plan| plan.attempt.clone()));
        let place = |plan: &AttemptPlan| listed.iter().position(|attempt| *attempt == plan.attempt);
        self.open.sort_by_key(|plan| place(plan).unwrap_or(usize::MAX));
        Ok(())
    }

    /// How the run has ended, if it has: one request for each number that its attempts may have, which mostly finds
    /// nothing. An attempt whose number another publisher has is open no more.
    pub(super) async fn end(&mut self) -> Result<Option<End>, ReleaseError> {
        let says_it = |plan: &AttemptPlan| plan.base.filter(|_| plan.up_to_date);
        if let Some(base) = self.open.iter().find_map(says_it) {
            return Ok(Some(End::UpToDate(base)));
        }
        let numbers: BTreeSet<_> = self.open.iter().map(AttemptPlan::number).collect();
        for number in numbers.into_iter().rev() {
            match self.store.manifest(number).await {
                Ok(None) => continue,
                Ok(Some(manifest)) if self.open.iter().any(|plan| plan.attempt == manifest.attempt) => {
                    return Ok(Some(End::Committed(number, manifest.attempt)));
                }
                Ok(Some(_)) => {
                    tracing::warn!(
                        "release {number} is another publisher's; what run {} began for it is over",
                        self.run
                    );
                }
                Err(ReleaseError::Collected { .. }) => {
                    tracing::warn!(
                        "release {number} was collected, and whether it was run {}'s cannot be seen any more",
                        self.run
                    );
                }
                Err(error) => return Err(error),
            }
            self.open.retain(|plan| plan.number() != number);
        }
        Ok(None)
    }

    /// The plans of attempts that may still be committed, the newest first.
    pub(super) fn open(&self) -> &[AttemptPlan] {
        &self.open
    }

    /// This attempt is whoever asks' own, who knows how it stands.
    pub(super) fn leave_out(&mut self, own: &Attempt) {
        self.known.insert(own.clone());
    }
}

impl End {
    /// The release that shows what the run was for.
    pub(super) fn release(&self) -> ReleaseNumber {
        match self {
            Self::Committed(number, _) | Self::UpToDate(number) => *number,
        }
    }

    /// What there is to say to whoever comes behind it.
    pub(super) fn told(&self, run: &RunName) -> String {
        let number = self.release();
        let ended = match self {
            Self::Committed(..) => format!("run {run} is release {number} already"),
            Self::UpToDate(_) => format!("run {run} has found release {number} up to date"),
        };
        format!("{ended}; another publication needs another --run")
    }
}
