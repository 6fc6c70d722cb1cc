use std::{
    fs, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Gate,
    clock::{MomentOfBoot, Uptime},
};
use crate::release_cache::CacheDirectory;

/// What a restart must not forget: which data set was opened last, so that no clock that jumps back hides it again; and
/// since when one is held back, so that no clock that was set forward opens it to a server that has only just started.
#[derive(Debug)]
pub(crate) struct Remembered {
    directory: Arc<CacheDirectory>,
    state: Mutex<State>,
}

/// `embargo.json` in the cache directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// The data set that was opened last.
    opened: Option<String>,
    /// Since when something is held back.
    waiting_since: Option<MomentOfBoot>,
}

#[derive(Debug, Default)]
struct State {
    record: Record,
    /// Whether the disk has something else.
    unwritten: bool,
    /// When it was last tried to write it, and in vain.
    failed: Option<Instant>,
}

/// After a failure, a full disk for example, it is tried again this much later.
const NEXT_TRY: Duration = Duration::from_secs(5);

impl Remembered {
    /// What an earlier server wrote. What cannot be read is not known: the clock will tell.
    pub(crate) fn read(directory: Arc<CacheDirectory>) -> Self {
        let read = match fs::read(directory.embargo()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Record::default()),
            read => read.and_then(|json| Ok(serde_json::from_slice(&json)?)),
        };
        let record = read.unwrap_or_else(|error| {
            tracing::warn!(
                %error,
                "what was opened, and since when something waits, cannot be read; hours and this clock decide"
            );
            Record::default()
        });
        Self { directory, state: Mutex::new(State { record, ..State::default() }) }
    }

    /// The gate as an earlier server left it for this data set, whose hour is now known. `None` where none was closed, or
    /// the machine was started anew, or does not tell.
    pub(crate) fn gate(&self, data_set: &str, until: Option<Timestamp>) -> Option<Gate> {
        let Record { opened, waiting_since } = &self.state().record;
        if opened.as_deref() == Some(data_set) {
            return Some(Gate::Open);
        }
        let since = waiting_since.as_ref()?.moment(&Uptime::now()?, Instant::now())?;
        Some(Gate::waiting(until?, since))
    }

    /// Whether this data set was opened last.
    pub(crate) fn was_opened(&self, data_set: &str) -> bool {
        self.state().record.opened.as_deref() == Some(data_set)
    }

    /// Takes note of how things stand. Whether there is something to write.
    pub(super) fn note(&self, data_set: &str, gate: Gate) -> bool {
        let mut state = self.state();
        if let Some(record) = state.record.after(data_set, gate) {
            *state = State { record, unwritten: true, failed: state.failed };
        }
        state.unwritten && state.failed.is_none_or(|failed| failed.elapsed() > NEXT_TRY)
    }

    /// Blocks until what was noted is on disk, or cannot be.
    pub(super) fn write(&self) {
        let record = self.state().record.clone();
        // Written without the lock: nobody waits for a disk.
        let written = self.directory.write_embargo(&record);
        let mut state = self.state();
        match written {
            Ok(()) => {
                state.unwritten = state.record != record;
                state.failed = None;
            }
            Err(error) => {
                if state.failed.replace(Instant::now()).is_none() {
                    tracing::error!(
                        %error,
                        "whether results are open is not written down; a restart goes by their hour and its own clock"
                    );
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// What is to be remembered now, if it is something else.
    fn after(&self, data_set: &str, gate: Gate) -> Option<Self> {
        let after = match gate.since() {
            None => Self { opened: Some(data_set.to_owned()), waiting_since: None },
            Some(since) if self.waiting_since.as_ref().is_some_and(|waiting| waiting.wall == since.wall) => {
                return None;
            }
            Some(since) => {
                let waiting_since = Uptime::now().map(|uptime| since.written(uptime, Instant::now()));
                Self { opened: self.opened.clone(), waiting_since }
            }
        };
        (after != *self).then_some(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embargo::Moment;

    const HOUR: Timestamp = Timestamp::MAX;

    fn directory(folder: &std::path::Path) -> Arc<CacheDirectory> {
        Arc::new(CacheDirectory::open(folder).unwrap())
    }

    fn closed() -> Gate {
        Gate::of(Some(HOUR), None, Moment::now())
    }

    #[test]
    fn what_was_opened_is_known_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let remembered = Remembered::read(directory(folder.path()));
        assert!(!remembered.was_opened("nation"));
        assert!(remembered.note("nation", Gate::Open));
        remembered.write();
        assert!(remembered.was_opened("nation") && !remembered.note("nation", Gate::Open));
        drop(remembered);
        let remembered = Remembered::read(directory(folder.path()));
        assert_eq!(remembered.gate("nation", Some(HOUR)), Some(Gate::Open));
        assert_eq!(remembered.gate("other", Some(HOUR)), None);
        assert!(remembered.note("other", Gate::Open));
        assert!(!remembered.was_opened("nation") && remembered.was_opened("other"));
    }

    #[test]
    fn since_when_a_data_set_is_held_back_is_known_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let remembered = Remembered::read(directory(folder.path()));
        assert!(remembered.note("nation", Gate::Open));
        let gate = closed();
        assert!(remembered.note("next", gate));
        remembered.write();
        assert!(!remembered.note("next", gate));
        drop(remembered);
        let remembered = Remembered::read(directory(folder.path()));
        assert!(remembered.was_opened("nation"));
        let again = remembered.gate("next", Some(HOUR)).unwrap();
        let (since, before) = (again.since().unwrap(), gate.since().unwrap());
        assert_eq!(since.wall, before.wall);
        // The uptime is told in hundredths of a second.
        let apart = since.passed(before).max(before.passed(since));
        assert!(apart < jiff::SignedDuration::from_millis(50), "{apart}");
        // It is the same wait, and there is nothing to write.
        assert!(!remembered.note("next", again));
        assert!(remembered.note("next", Gate::Open));
        remembered.write();
        let json = fs::read_to_string(folder.path().join("embargo.json")).unwrap();
        assert_eq!(json, "{\"opened\":\"next\",\"waiting_since\":null}\n");
    }

    #[test]
    fn what_cannot_be_written_is_known_all_the_same_and_rests_before_the_next_try() {
        let folder = tempfile::tempdir().unwrap();
        let remembered = Remembered::read(directory(folder.path()));
        fs::create_dir(folder.path().join("embargo.new")).unwrap();
        assert!(remembered.note("nation", Gate::Open));
        remembered.write();
        assert!(remembered.was_opened("nation") && !remembered.note("nation", Gate::Open));
        assert!(!folder.path().join("embargo.json").exists());
    }

    #[test]
    fn what_cannot_be_read_is_not_known() {
        for bytes in [&b"\xFF"[..], b"{}x", b"nation\n", b"{\"opened\":7,\"waiting_since\":null}"] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("embargo.json"), bytes).unwrap();
            assert_eq!(Remembered::read(directory(folder.path())).gate("nation", Some(HOUR)), None);
        }
    }
}
