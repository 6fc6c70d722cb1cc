use std::{sync::Arc, time::Duration};

use results_day::{
    changes::{Change, ChangeLog, Changed, Snapshot},
    source::{ChangesSince, Origin, Source, SourceError},
};

use super::written::Written;
use crate::{
    release_cache::CacheDirectory,
    serving::{Knowledge, Known, Shared, Tokens},
};

/// Learns of every change within a few hundredths of a second of its commit, and writes it down.
pub(crate) struct ChangeFollower {
    source: Arc<dyn Source>,
    shared: &'static Shared,
    written: Written,
    /// What was heard before anybody was answered.
    heard: Option<Heard>,
    /// The last change of everything when the database was seen not to log its changes.
    doubt: Option<Option<Change>>,
}

/// How often the database is asked, at most: a correction is seen that soon.
const INTERVAL: Duration = Duration::from_millis(20);

/// Polling takes at most one part in so many of the time, so that a database for which polls are slow is
/// asked less often. What counts is the quickest of the last few: one that waited for a busy processor says
/// nothing about the database.
const SHARE: u32 = 25;
const LAST_FEW: usize = 5;

/// However slow polls are, a correction waits no longer than this for the next.
const LONGEST_INTERVAL: Duration = Duration::from_millis(80);

/// A database that does not answer for so long is as good as gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause after a failure doubles up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Up to where a database has been heard, and which one.
struct Heard {
    incarnation: String,
    snapshot: Snapshot,
    /// The token of the release that the database was last asked about.
    asked_for: Option<String>,
}

impl ChangeFollower {
    pub(crate) fn new(
        source: Arc<dyn Source>,
        shared: &'static Shared,
        directory: Arc<CacheDirectory>,
    ) -> Self {
        Self { source, shared, written: Written::in_directory(directory), heard: None, doubt: None }
    }

    /// Hears the database, or else takes up what an earlier server knew. Not the other way round: what was committed
    /// while no server ran is in no journal.
    pub(crate) async fn first(&mut self) {
        match tokio::time::timeout(PATIENCE, self.hear_everything()).await {
            Ok(Ok(heard)) => self.heard = Some(heard),
            Ok(Err(error)) => {
                self.load_written(&error.to_string());
                self.not_heard(&error);
            }
            Err(_) => self.load_written("it does not answer"),
        }
    }

    fn load_written(&self, error: &str) {
        tracing::error!(error, "the database is not heard; what an earlier server knew is all that is known");
        if let Some((data_set, log)) = self.written.read() {
            let known =
                Known { data_set, log, seen: Snapshot::NOTHING, tokens: Tokens::default(), doubtful: false };
            self.shared.update(|serving| serving.knowledge = Knowledge::Known(known));
            self.shared.followed().set_journal_written(true);
        }
    }

    /// Follows the database for ever.
    pub(crate) async fn run(mut self) {
        let mut pause = INTERVAL;
        let mut first = self.heard.take();
        loop {
            // Whatever went wrong, the database that is heard next may be another one, or an older one.
            let hearing = match first.take() {
                Some(heard) => Ok(heard),
                None => self.hear_everything().await,
            };
            let error = match hearing {
                Ok(heard) => {
                    tracing::info!("following the changes in the database");
                    pause = INTERVAL;
                    self.poll(heard).await
                }
                Err(error) => error,
            };
            if pause == INTERVAL {
                tracing::error!(%error, "following the changes failed; serving on with what is known");
            }
            self.not_heard(&error);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Reads the whole log, and whether the database holds what the release was read from.
    async fn hear_everything(&mut self) -> Result<Heard, SourceError> {
        let ChangesSince { data_set, incarnation, mut rows, snapshot } =
            self.changes_since(&Snapshot::NOTHING).await?;
        let asked_for = self.release_token();
        let mut tokens = Tokens::default();
        if let Some((token, held)) = self.ask_for_token().await? {
            tokens.insert(token, held);
        }
        // Both answers belong together only if the same database is there behind them.
        let again = self.changes_since(&snapshot).await?;
        if (&again.data_set, &again.incarnation) != (&data_set, &incarnation) {
            return Err(replaced());
        }
        rows.extend(again.rows);
        let log: ChangeLog = rows.into_iter().collect();
        self.doubt = self.doubt.filter(|doubt| *doubt == log.everything());
        let known =
            Known { data_set, log, seen: again.snapshot.clone(), tokens, doubtful: self.doubt.is_some() };
        if self.would_mislead(&known) {
            self.written.forget();
        } else {
            self.written.replace(&known.data_set, &known.log);
        }
        self.shared.update(|serving| serving.knowledge = Knowledge::Known(known));
        self.heard_now();
        Ok(Heard { incarnation, snapshot: again.snapshot, asked_for })
    }

    /// Asks for what is new, again and again, until the database is lost.
    async fn poll(&mut self, mut heard: Heard) -> SourceError {
        let mut took = [Duration::ZERO; LAST_FEW];
        loop {
            let asked = tokio::time::Instant::now();
            if let Err(error) = self.poll_once(&mut heard).await {
                return error;
            }
            took.rotate_left(1);
            took[LAST_FEW - 1] = asked.elapsed();
            let quickest = took.iter().min().copied().unwrap_or_default();
            tokio::time::sleep((quickest * SHARE).clamp(INTERVAL, LONGEST_INTERVAL)).await;
        }
    }

    async fn poll_once(&mut self, heard: &mut Heard) -> Result<(), SourceError> {
        let token = self.release_token();
        // Asked before the poll, which says whether it is still the same database that answers.
        let asked = if heard.asked_for == token { None } else { self.ask_for_token().await? };
        let found = self.changes_since(&heard.snapshot).await?;
        let went_back = found.snapshot.xmax() < heard.snapshot.xmax();
        if went_back || found.incarnation != heard.incarnation || !self.is_of(&found.data_set) {
            return Err(replaced());
        }
        if !found.rows.is_empty() {
            self.learn(found.rows, found.snapshot.clone());
        }
        if let Some((asked, held)) = asked {
            self.change_known(|known| known.tokens.insert(asked, held));
            heard.asked_for = token;
        }
        heard.snapshot = found.snapshot;
        self.keep_writing();
        self.heard_now();
        Ok(())
    }

    fn heard_now(&self) {
        self.shared.heard();
        let followed = self.shared.followed();
        followed.set_changes_unlogged(false);
        let serving = self.shared.serving();
        let misleads = matches!(&serving.knowledge, Knowledge::Known(known) if self.would_mislead(known));
        followed.set_journal_written(self.written.is_in_order(misleads));
    }

    /// A database that says that it does not log its changes has answered, and is there.
    fn not_heard(&mut self, error: &SourceError) {
        let unlogged = matches!(error, SourceError::Unlogged(_));
        self.shared.followed().set_database_answers(unlogged);
        self.shared.followed().set_changes_unlogged(unlogged);
        if unlogged {
            self.doubt();
        }
    }

    /// What was logged says nothing, from when the database was seen not to log its changes until it says that
    /// everything changed.
    fn doubt(&mut self) {
        let Knowledge::Known(known) = &self.shared.serving().knowledge else { return };
        if self.doubt.is_none() {
            tracing::error!("the database does not log its changes; everything is answered live");
            self.doubt = Some(known.log.everything());
        }
        self.written.forget();
        self.shared.followed().set_journal_written(self.written.is_in_order(true));
        self.change_known(|known| known.doubtful = true);
    }

    /// Writes the rows down before anybody acts on them, so that the death of this process loses nothing.
    fn learn(&mut self, rows: Vec<(Changed, Change)>, snapshot: Snapshot) {
        if let Knowledge::Known(known) = &self.shared.serving().knowledge {
            self.written.append(&known.data_set, &known.log, &rows);
        }
        let mut doubt = self.doubt;
        self.change_known(|known| {
            known.log.extend(rows);
            known.seen = snapshot;
            doubt = doubt.filter(|doubt| *doubt == known.log.everything());
            known.doubtful = doubt.is_some();
        });
        // What was vouched for is over: the next doubt is another one.
        self.doubt = doubt;
    }

    fn change_known(&self, change: impl FnOnce(&mut Known)) {
        self.shared.update(|serving| {
            if let Knowledge::Known(known) = &mut serving.knowledge {
                change(known);
            }
        });
    }

    fn is_of(&self, data_set: &str) -> bool {
        matches!(&self.shared.serving().knowledge, Knowledge::Known(known) if known.data_set == data_set)
    }

    fn release_token(&self) -> Option<String> {
        Some(self.shared.serving().release.as_ref()?.manifest.source.token.clone())
    }

    /// The current release's token, and whether the database holds it.
    async fn ask_for_token(&self) -> Result<Option<(String, bool)>, SourceError> {
        let serving = self.shared.serving();
        let Some(release) = &serving.release else { return Ok(None) };
        let source = &release.manifest.source;
        let held = within_patience(self.source.holds(source)).await?;
        if !held {
            tracing::warn!(
                release = release.manifest.number.get(),
                "the database does not hold what the release was read from; everybody is answered live, or nobody where \
                 it is another data set"
            );
        }
        Ok(Some((source.token.clone(), held)))
    }

    async fn changes_since(&self, seen: &Snapshot) -> Result<ChangesSince, SourceError> {
        within_patience(self.source.changes_since(seen)).await
    }

    /// Writes what is known where nothing is written, because the disk was full, say; and removes what is written
    /// where it would mislead.
    fn keep_writing(&mut self) {
        let Knowledge::Known(known) = &self.shared.serving().knowledge else { return };
        if self.would_mislead(known) {
            self.written.forget();
        } else if self.written.is_due() {
            self.written.replace(&known.data_set, &known.log);
        }
    }

    /// Whether a server that starts with this log, and without the database, would take it for knowledge of
    /// the release: the log is of the same data set, and of a state that the release is not in; or it is not whole.
    fn would_mislead(&self, known: &Known) -> bool {
        let serving = self.shared.serving();
        let release = serving.release.as_ref().map(|release| &release.manifest.source);
        let is_missing = |source: &Origin| {
            source.data_set == known.data_set && known.tokens.held(&source.token) == Some(false)
        };
        known.doubtful || release.is_some_and(is_missing)
    }
}

fn replaced() -> SourceError {
    SourceError::Unusable(
        "the database was connected anew, and may be another one or an older one".to_owned(),
    )
}

async fn within_patience<T>(answer: impl Future<Output = Result<T, SourceError>>) -> Result<T, SourceError> {
    let late = |_| SourceError::Unavailable(format!("no answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, answer).await.map_err(late)?
}
