use std::{
    fs, io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use results_day::changes::{Change, ChangeLog, Changed, Journal, JournalError};

use crate::release_cache::{CacheDirectory, CacheError};

/// What this server has heard of changes, as far as it is written down for the next one.
///
/// To find nothing is safe for a server that starts without its database, and to find too little is not. So what
/// cannot be written whole is removed.
pub(super) struct Written {
    directory: Arc<CacheDirectory>,
    path: PathBuf,
    journal: Option<Journal>,
    /// Whether nothing is there to be removed.
    removed: bool,
    tried: Instant,
    /// Whether it was said that nothing can be written, and that nothing can be removed.
    failing: bool,
    stuck: bool,
}

/// After a failure, a full disk for example, it is tried again this much later; and as often it is looked whether the
/// journal is there still.
const NEXT_TRY: Duration = Duration::from_secs(1);

impl Written {
    pub(super) fn in_directory(directory: Arc<CacheDirectory>) -> Self {
        let path = directory.journal();
        let tried = Instant::now();
        Self { directory, path, journal: None, removed: false, tried, failing: false, stuck: false }
    }

    /// What an earlier server knew, and of which data set.
    pub(super) fn read(&self) -> Option<(String, ChangeLog)> {
        if !self.directory.is_claimed() {
            // An earlier server may have heard more than it could write here, and could not remove it either.
            tracing::warn!(
                "the journal of changes lies in a directory that cannot be written, and is not believed"
            );
            return None;
        }
        let read = Journal::read(&self.path);
        read.inspect_err(|error| tracing::warn!(%error, "what was known of changes is lost")).ok()?
    }

    /// Adds what one poll brought to the `log` from before it.
    pub(super) fn append(&mut self, data_set: &str, log: &ChangeLog, rows: &[(Changed, Change)]) {
        let Some(journal) = &mut self.journal else { return };
        // What somebody wrote into it a moment ago would look like our own line after this.
        if journal.is_long() || !journal.is_there() {
            let mut log = log.clone();
            log.extend(rows.iter().copied());
            return self.replace(data_set, &log);
        }
        match journal.append(rows).and_then(|()| journal.sync()) {
            // The disk takes its time; nobody waits for it.
            Ok(sync) => drop(tokio::task::spawn_blocking(|| said(sync()))),
            Err(error) => {
                self.forget();
                self.failed(&error);
            }
        }
    }

    /// Writes this log in the place of whatever is there.
    pub(super) fn replace(&mut self, data_set: &str, log: &ChangeLog) {
        self.tried = Instant::now();
        self.removed = false;
        let claimed = self.directory.claim().map_err(|error| self.failed(&error));
        let created = claimed
            .and_then(|()| Journal::create(&self.path, data_set, log).map_err(|error| self.failed(&error)));
        self.journal = created.ok();
        if self.journal.is_none() {
            self.forget();
        } else if std::mem::take(&mut self.failing) {
            tracing::info!("changes are written down again");
        }
    }

    /// Whether nothing is written and it is time to try again.
    pub(super) fn is_due(&mut self) -> bool {
        if self.tried.elapsed() <= NEXT_TRY {
            return false;
        }
        self.tried = Instant::now();
        // A journal that somebody deleted or wrote into takes further lines without a complaint.
        !self.journal.as_ref().is_some_and(Journal::is_there)
    }

    /// Whether what is known is written; or, where it would mislead who starts with it, nothing is.
    pub(super) fn is_in_order(&self, misleads: bool) -> bool {
        if misleads { self.removed } else { self.journal.is_some() }
    }

    /// Removes what is written.
    pub(super) fn forget(&mut self) {
        self.journal = None;
        if self.removed {
            return;
        }
        if let Err(CacheError::InUse { .. }) = self.directory.claim() {
            // Somebody deleted the directory, and what lies there now is another server's.
            self.removed = true;
            return;
        }
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                // It is tried again at every poll, and said once.
                if !std::mem::replace(&mut self.stuck, true) {
                    tracing::error!(
                        %error,
                        path = %self.path.display(),
                        "an outdated journal of changes could not be removed; remove it before serve is restarted"
                    );
                }
            }
            _ => {
                self.removed = true;
                self.stuck = false;
            }
        }
    }

    fn failed(&mut self, error: &dyn std::error::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(error = %error, "changes are known and served, and not written down");
        }
    }
}

fn said(synced: Result<(), JournalError>) {
    if let Err(error) = synced {
        tracing::error!(%error, "changes are known and served, and not written down");
    }
}
