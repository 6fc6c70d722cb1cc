use std::{
    fs, io,
    path::PathBuf,
    time::{Duration, Instant},
};

use results_day::changes::{Change, ChangeLog, Changed, Journal, JournalError};

/// What this server has heard of changes, as far as it is written down for the next one.
///
/// To find nothing is safe for a server that starts without its database, and to find too little is not. So what
/// cannot be written whole is removed.
pub(super) struct Written {
    path: PathBuf,
    journal: Option<Journal>,
    /// Whether nothing is there to be removed.
    removed: bool,
    tried: Instant,
}

/// After a failure, a full disk for example, it is tried again this much later.
const NEXT_TRY: Duration = Duration::from_secs(1);

impl Written {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, journal: None, removed: false, tried: Instant::now() }
    }

    /// What an earlier server knew, and of which data set.
    pub(super) fn read(&self) -> Option<(String, ChangeLog)> {
        let read = Journal::read(&self.path);
        read.inspect_err(|error| tracing::warn!(%error, "what was known of changes is lost")).ok()?
    }

    /// Adds what one poll brought to the `log` from before it.
    pub(super) fn append(&mut self, data_set: &str, log: &ChangeLog, rows: &[(Changed, Change)]) {
        let Some(journal) = &mut self.journal else { return };
        if journal.is_long() {
            let mut log = log.clone();
            log.extend(rows.iter().copied());
            return self.replace(data_set, &log);
        }
        match journal.append(rows).and_then(|()| journal.sync()) {
            // The disk takes its time; nobody waits for it.
            Ok(sync) => drop(tokio::task::spawn_blocking(|| report(sync()))),
            Err(error) => {
                self.forget();
                report::<()>(Err(error));
            }
        }
    }

    /// Writes this log in the place of whatever is there.
    pub(super) fn replace(&mut self, data_set: &str, log: &ChangeLog) {
        self.tried = Instant::now();
        self.removed = false;
        self.journal = report(Journal::create(&self.path, data_set, log));
        if self.journal.is_none() {
            self.forget();
        }
    }

    /// Whether nothing is written and it is time to try again.
    pub(super) fn is_due(&self) -> bool {
        self.journal.is_none() && self.tried.elapsed() > NEXT_TRY
    }

    /// Removes what is written.
    pub(super) fn forget(&mut self) {
        self.journal = None;
        if self.removed {
            return;
        }
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!(%error, "an outdated journal of changes could not be removed");
            }
            _ => self.removed = true,
        }
    }
}

fn report<T>(written: Result<T, JournalError>) -> Option<T> {
    written
        .inspect_err(|error| tracing::error!(%error, "changes are known and served, and not written down"))
        .ok()
}
