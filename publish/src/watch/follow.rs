use std::{
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use results_day::{
    changes::Snapshot,
    release::{Bucket, Manifest, ReleaseError, ReleaseNumber, ReleaseStore},
    source::{ChangesSince, Source, SourceError},
};
use tokio::time::sleep;

use super::{
    Lead,
    schedule::{Patience, Schedule},
    trouble::{Trouble, is_for_a_person},
};
use crate::{
    metrics::{Ending, Part, Record},
    plan, publication,
    publisher::Publisher,
    summary::Outcome,
};

/// Publishes what changes, on top of whatever is current.
pub(super) struct Follower {
    source: Arc<dyn Source>,
    bucket: Bucket,
    /// For looking: a store that does not answer is given up soon, and told of.
    looking: ReleaseStore,
    /// For publishing: a store that restarts is waited for. `None` before the store has answered once.
    publishing: Option<ReleaseStore>,
    /// The current release, as far as was seen.
    base: Option<Manifest>,
    /// When that was seen.
    looked: Option<Instant>,
    /// Up to where the database has been heard since.
    heard: Option<Heard>,
    schedule: Schedule,
    /// The embargo of the first release of all.
    not_before: Option<Timestamp>,
    /// Whether it was told that the database holds another data set than the current release.
    other_data_set: bool,
    /// Whether what the database holds could not be published when it was last tried.
    refused: bool,
    record: Arc<Record>,
}

struct Heard {
    incarnation: String,
    snapshot: Snapshot,
}

/// How often the change log is asked: one look-up in an index.
const POLL: Duration = Duration::from_secs(1);

/// How often the store is asked whether somebody else has published: one request that mostly finds nothing.
const LOOK: Duration = Duration::from_secs(2);

impl Follower {
    /// Asks nothing yet. A bucket that is none is refused.
    pub(super) fn new(
        source: Arc<dyn Source>,
        bucket: Bucket,
        patience: Patience,
        not_before: Option<Timestamp>,
        record: Arc<Record>,
    ) -> Result<Self, ReleaseError> {
        let looking = bucket.open()?;
        Ok(Self {
            source,
            bucket,
            looking,
            publishing: None,
            base: None,
            looked: None,
            heard: None,
            schedule: Schedule::new(patience),
            not_before,
            other_data_set: false,
            refused: false,
            record,
        })
    }

    /// Follows until the lead is lost. It may be dropped at any instant, and called again.
    pub(super) async fn follow(&mut self, lead: &Lead, trouble: &mut Trouble) -> SourceError {
        loop {
            self.record.status.moved();
            let error = match self.step().await {
                Ok(pause) => {
                    trouble.over();
                    self.record.status.set_up(Part::Database, true);
                    self.record.status.set_up(Part::Store, true);
                    sleep(pause).await;
                    continue;
                }
                Err(error) => error,
            };
            sleep(trouble.failed(&error)).await;
            // What took the database away mostly took the lead with it: only with both back it works again.
            if let Err(lost) = lead.lock().await.hold().await {
                return lost;
            }
        }
    }

    /// Looks, listens, and publishes if that is due; then says how long nothing is to be done.
    async fn step(&mut self) -> anyhow::Result<Duration> {
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            self.look_for_the_next().await?;
        }
        if self.base.as_ref().is_some_and(Manifest::is_rollback) {
            return Ok(POLL);
        }
        // What is due is only due if nothing has changed until now.
        self.hear().await?;
        let left = self.schedule.left(Instant::now());
        self.say_what_waits();
        if left.is_some_and(|left| left.is_zero()) {
            self.publish().await?;
            self.say_what_waits();
        }
        Ok(left.map_or(POLL, |left| left.min(POLL)))
    }

    fn say_what_waits(&self) {
        let status = &self.record.status;
        status.set_waiting(self.schedule.left(Instant::now()).is_some());
        status.set_needs_a_person(self.refused || self.other_data_set);
    }

    async fn look_for_the_next(&mut self) -> anyhow::Result<()> {
        if let Some(base) = &self.base {
            match self.looking.manifest(base.number.next()).await {
                Ok(None) => {
                    self.looked = Some(Instant::now());
                    return Ok(());
                }
                Ok(Some(_)) | Err(ReleaseError::Collected { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.look().await
    }

    /// Finds the current release. Another one than before is the new base, and what waits is worked out anew.
    async fn look(&mut self) -> anyhow::Result<()> {
        self.store_to_publish().await?;
        let found = self.looking.current().await?;
        let (known, current) = (self.current(), found.as_ref().map(|found| found.number));
        if let Some(known) = known
            && current < Some(known)
        {
            return Err(anyhow::Error::new(ReleaseError::Absent(known)).context(format!(
                "the bucket {} is not what it was; bring it back, or restart this program to publish into it as it is",
                self.looking.place()
            )));
        }
        if current != known {
            self.record.work.saw(found.as_ref());
            self.base = found;
            self.heard = None;
            self.schedule.clear();
            self.tell_of_the_base();
        }
        self.looked = Some(Instant::now());
        Ok(())
    }

    fn tell_of_the_base(&self) {
        let Some(base) = &self.base else { return };
        let release = base.number.get();
        match base.repeats.filter(|_| base.is_rollback()) {
            None => tracing::info!(release, "following the changes since this release"),
            Some(to) => tracing::warn!(
                release,
                to = to.get(),
                "somebody rolled back; nothing is published before somebody runs publish without --watch"
            ),
        }
    }

    /// Asks what has changed since the last time, or since the release.
    async fn hear(&mut self) -> Result<(), SourceError> {
        let since = match (&self.heard, &self.base) {
            (Some(heard), _) => heard.snapshot.clone(),
            (None, Some(base)) => base.source.snapshot.clone(),
            (None, None) => Snapshot::NOTHING,
        };
        let ChangesSince { data_set, incarnation, rows, snapshot } =
            self.source.changes_since(&since).await?;
        if self.base.as_ref().is_some_and(|base| base.source.data_set != data_set) {
            self.leave_to_a_person();
            return Ok(());
        }
        self.other_data_set = false;
        let (vouched_for, changed) = match &self.heard {
            // Asked behind the changes: if another database answers this, the next poll tells that it is another one.
            None => (self.is_vouched_for().await?, !rows.is_empty()),
            Some(heard) if heard.incarnation == incarnation && heard.snapshot.xmax() <= snapshot.xmax() => {
                (true, !rows.is_empty())
            }
            Some(_) => {
                // Connected anew, restored, or another one: what was heard may be of no use.
                self.heard = None;
                return Box::pin(self.hear()).await;
            }
        };
        let now = Instant::now();
        if !vouched_for {
            self.schedule.at_once(now);
        } else if changed {
            self.schedule.noticed(now);
        }
        self.heard = Some(Heard { incarnation, snapshot });
        Ok(())
    }

    /// When the results of another data set may be seen is for somebody to say.
    fn leave_to_a_person(&mut self) {
        self.heard = None;
        self.schedule.clear();
        if !std::mem::replace(&mut self.other_data_set, true) {
            tracing::warn!(
                "the database holds another data set than the current release; nothing of it is published before \
                 somebody runs publish without --watch"
            );
        }
    }

    /// Whether the database can tell what changed since the current release.
    async fn is_vouched_for(&self) -> Result<bool, SourceError> {
        let Some(base) = &self.base else {
            tracing::info!("there is no release yet; publishing the first");
            return Ok(false);
        };
        let can_tell = plan::can_tell(&*self.source, base).await?;
        if !can_tell {
            tracing::warn!(
                release = base.number.get(),
                "what changed since this release is not known: it was rendered otherwise, or the database was \
                 restored; publishing everything"
            );
        }
        Ok(can_tell)
    }

    async fn publish(&mut self) -> anyhow::Result<()> {
        let known = self.current();
        // Somebody may have been faster; and a directory that is not mounted looks like an empty bucket.
        self.look().await?;
        if self.current() != known {
            return Ok(());
        }
        let store = self.store_to_publish().await?;
        let publisher = Publisher::Watcher { not_before: self.not_before };
        let started = Instant::now();
        let published = publication::publish(&*self.source, &store, publisher, &self.record.work).await;
        let ending = published.as_ref().map_or(Ending::Failed, Outcome::ending);
        self.record.runs.ended(ending, started.elapsed());
        match published {
            Ok(outcome) => {
                self.refused = false;
                if let Outcome::Published { .. } = outcome {
                    say(&outcome);
                }
                self.looked = None;
                self.heard = None;
                self.schedule.clear();
                Ok(())
            }
            Err(error) if is_for_a_person(&error) => {
                tracing::error!(
                    "what the database holds cannot be published; run publish without --watch: it says what to put \
                     right"
                );
                self.refused = true;
                self.schedule.refused(Instant::now());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn current(&self) -> Option<ReleaseNumber> {
        self.base.as_ref().map(|base| base.number)
    }

    /// The store as a publisher has it. Its bucket is created where it is missing.
    async fn store_to_publish(&mut self) -> Result<ReleaseStore, ReleaseError> {
        if let Some(store) = &self.publishing {
            return Ok(store.clone());
        }
        let store = self.bucket.open_to_publish().await?;
        Ok(self.publishing.insert(store).clone())
    }
}

/// One line for each publication. Whoever read them may be gone, which is no reason to end.
fn say(outcome: &Outcome) {
    let _nobody_reads = writeln!(io::stdout(), "{outcome}");
}
