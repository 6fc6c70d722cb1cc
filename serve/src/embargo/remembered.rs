use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use results_day::release::ReleaseNumber;
use serde::{Deserialize, Serialize};

use super::{
    Gate, Moment,
    clock::{MomentOfBoot, Uptime},
};
use crate::release_cache::{CacheDirectory, Stamp};

/// What a restart must not forget: which data sets were opened, so that no clock that jumps back hides them again; since
/// when the clocks are compared, so that no clock that was set forward opens anything to a server that has only just
/// started; and the last hour that was heard of.
#[derive(Debug)]
pub(crate) struct Remembered {
    directory: Arc<CacheDirectory>,
    state: Mutex<State>,
    /// Held by whoever writes: two at once would be in each other's way.
    writing: Mutex<()>,
}

/// `embargo.json` in the cache directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// The data sets that were opened, the last one last.
    opened: Vec<String>,
    /// When something was first held back since the machine was started. It tells of the clock and not of a release, so
    /// it holds for whatever is held back later.
    held_back: Option<MomentOfBoot>,
    /// The newest release that was heard of, which may not be here yet, and its hour.
    heard: Option<Heard>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Heard {
    release: ReleaseNumber,
    not_before: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct State {
    record: Record,
    /// The file as it was last read or written.
    stamp: Option<Stamp>,
    /// Whether the disk has something else.
    unwritten: bool,
    /// When it was last tried to write it, and in vain.
    failed: Option<Instant>,
}

/// After a failure, a full disk for example, it is tried again this much later.
const NEXT_TRY: Duration = Duration::from_secs(5);

/// More data sets than one server is ever given.
const OPENED: usize = 64;

impl Remembered {
    /// What an earlier server wrote. What cannot be read is not known: the clock will tell.
    pub(crate) fn read(directory: Arc<CacheDirectory>) -> Self {
        let mut state = State::default();
        match directory.read_embargo() {
            Ok((json, stamp)) => match serde_json::from_slice(&json) {
                Ok(record) => state = State { record, stamp: Some(stamp), ..state },
                Err(error) => say_that_nothing_is_known(&error),
            },
            Err(error) if error.is(io::ErrorKind::NotFound) => {}
            Err(error) => say_that_nothing_is_known(&error),
        }
        if Uptime::now().is_none() {
            tracing::warn!(
                "this system does not tell when it was started; a server that is restarted before an hour believes its \
                 clock"
            );
        }
        Self { directory, state: Mutex::new(state), writing: Mutex::default() }
    }

    /// The gate as earlier servers left it for this data set, whose hour is now known. `None` where nothing was held back
    /// since the machine was started, or it does not tell.
    pub(crate) fn gate(&self, data_set: &str, until: Option<Timestamp>) -> Option<Gate> {
        let state = self.state();
        if state.record.has_opened(data_set) {
            return Some(Gate::Open);
        }
        let since = state.record.held_back.as_ref()?.moment(&Uptime::now()?, Instant::now())?;
        Some(Gate::waiting(until?, since))
    }

    /// Whether this data set was opened.
    pub(crate) fn was_opened(&self, data_set: &str) -> bool {
        self.state().record.has_opened(data_set)
    }

    /// The hour of a release that is here: its own, or a later one that a newer release was heard to have.
    pub(crate) fn hour(&self, release: ReleaseNumber, own: Option<Timestamp>) -> Option<Timestamp> {
        let state = self.state();
        let newer = state.record.heard.as_ref().filter(|heard| heard.release > release);
        own.max(own.and(newer.and_then(|newer| newer.not_before)))
    }

    /// Takes note of a release that was heard of. Whether there is something to write, which is to be done before the
    /// release is found by a restart.
    pub(crate) fn hear(&self, release: ReleaseNumber, not_before: Option<Timestamp>, now: Moment) -> bool {
        let mut state = self.state();
        let mut record = state.record.clone();
        record.heard = Some(Heard { release, not_before });
        if not_before.is_some_and(|until| until > now.wall) {
            record.hold_back(now);
        }
        state.take(record)
    }

    /// Takes note of how things stand. Whether there is something to write.
    pub(super) fn note(&self, data_set: &str, gate: Gate) -> bool {
        let mut state = self.state();
        match gate.since() {
            None if state.record.has_opened(data_set) => state.is_due(),
            // Whoever waits has taken its beginning from the record, or begins it.
            Some(since) if state.record.is_since(since) => state.is_due(),
            since => {
                let mut record = state.record.clone();
                match since {
                    None => record.open(data_set),
                    Some(since) => record.hold_back(since),
                }
                state.take(record)
            }
        }
    }

    /// Looks whether the file is still what was written.
    pub(crate) fn look(&self) {
        let found = self.directory.embargo_stamp();
        let mut state = self.state();
        state.unwritten |= state.record != Record::default() && found != state.stamp;
    }

    /// Blocks until what was noted is on disk, or cannot be.
    pub(crate) fn write(&self) {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let record = {
            let state = self.state();
            if !state.unwritten {
                return;
            }
            state.record.clone()
        };
        // Written without the lock of the state: nobody waits for a disk.
        let written = self.directory.write_embargo(&record);
        let mut state = self.state();
        match written {
            Ok(stamp) => {
                state.unwritten = state.record != record;
                state.stamp = Some(stamp);
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

impl State {
    fn take(&mut self, record: Record) -> bool {
        self.unwritten |= record != self.record;
        self.record = record;
        self.is_due()
    }

    fn is_due(&self) -> bool {
        self.unwritten && self.failed.is_none_or(|failed| failed.elapsed() > NEXT_TRY)
    }
}

impl Record {
    fn has_opened(&self, data_set: &str) -> bool {
        self.opened.iter().any(|opened| opened == data_set)
    }

    fn open(&mut self, data_set: &str) {
        if !self.has_opened(data_set) {
            self.opened.push(data_set.to_owned());
            self.opened.drain(..self.opened.len().saturating_sub(OPENED));
        }
    }

    fn is_since(&self, since: Moment) -> bool {
        self.held_back.as_ref().is_some_and(|held_back| held_back.wall == since.wall)
    }

    /// The first time counts, until the machine is started anew.
    fn hold_back(&mut self, since: Moment) {
        let (uptime, now) = (Uptime::now(), Instant::now());
        let known = self.held_back.as_ref().zip(uptime.as_ref());
        if known.and_then(|(held_back, uptime)| held_back.moment(uptime, now)).is_none() {
            self.held_back = uptime.map(|uptime| since.written(uptime, now));
        }
    }
}

fn say_that_nothing_is_known(error: &dyn std::error::Error) {
    tracing::warn!(
        %error,
        "what was opened, and since when something is held back, cannot be read; hours and this clock decide"
    );
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const HOUR: Timestamp = Timestamp::MAX;
    const NUMBER: ReleaseNumber = ReleaseNumber::FIRST;

    fn remembered(folder: &std::path::Path) -> Remembered {
        Remembered::read(Arc::new(CacheDirectory::open(folder).unwrap()))
    }

    fn closed() -> Gate {
        Gate::of(Some(HOUR), None, Moment::now())
    }

    #[test]
    fn what_was_opened_is_known_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let before = remembered(folder.path());
        assert!(!before.was_opened("nation") && before.note("nation", Gate::Open));
        before.write();
        assert!(before.was_opened("nation") && !before.note("nation", Gate::Open));
        assert!(before.note("other", Gate::Open));
        before.write();
        drop(before);
        let after = remembered(folder.path());
        for data_set in ["nation", "other"] {
            assert_eq!(after.gate(data_set, Some(HOUR)), Some(Gate::Open));
        }
        assert_eq!(after.gate("third", Some(HOUR)), None);
    }

    #[test]
    fn since_when_something_is_held_back_is_known_after_a_restart_and_to_every_data_set() {
        let folder = tempfile::tempdir().unwrap();
        let before = remembered(folder.path());
        let now = Moment::now();
        assert!(before.hear(NUMBER, Some(HOUR), now));
        before.write();
        assert!(!before.hear(NUMBER, Some(HOUR), Moment::now()) && !before.note("nation", closed()));
        // That something else is opened meanwhile says nothing about the clock.
        assert!(before.note("other", Gate::Open));
        before.write();
        drop(before);
        let after = remembered(folder.path());
        let since = after.gate("nation", Some(HOUR)).and_then(Gate::since).unwrap();
        assert_eq!(since.wall, now.wall);
        let apart = since.passed(now).max(now.passed(since));
        assert!(apart < jiff::SignedDuration::from_millis(50), "{apart}");
        assert!(!after.note("nation", closed()));
    }

    #[test]
    fn a_later_hour_that_was_heard_of_is_believed_after_a_restart_until_its_release_is_here() {
        let folder = tempfile::tempdir().unwrap();
        let (own, later) = (Some(Timestamp::UNIX_EPOCH), Some(HOUR));
        let before = remembered(folder.path());
        assert_eq!(before.hour(NUMBER, own), own);
        assert!(before.hear(NUMBER.next(), later, Moment::now()));
        before.write();
        drop(before);
        let after = remembered(folder.path());
        assert_eq!(after.hour(NUMBER, own), later);
        // An earlier one is believed when its release is here; one that has none is open.
        assert_eq!((after.hour(NUMBER.next(), own), after.hour(NUMBER, None)), (own, None));
        assert!(after.hear(NUMBER.next(), own, Moment::now()));
        assert_eq!(after.hour(NUMBER, later), later);
    }

    #[test]
    fn what_cannot_be_written_is_known_all_the_same_and_rests_before_the_next_try() {
        let folder = tempfile::tempdir().unwrap();
        let remembered = remembered(folder.path());
        fs::create_dir(folder.path().join("embargo.new")).unwrap();
        assert!(remembered.note("nation", Gate::Open));
        remembered.write();
        assert!(remembered.was_opened("nation") && !remembered.note("nation", Gate::Open));
        assert!(!folder.path().join("embargo.json").exists());
    }

    #[test]
    fn a_file_that_somebody_took_away_or_wrote_over_is_to_be_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let remembered = remembered(folder.path());
        remembered.look();
        assert!(remembered.note("nation", Gate::Open));
        remembered.write();
        remembered.look();
        assert!(!remembered.note("nation", Gate::Open));
        let path = folder.path().join("embargo.json");
        let json = fs::read(&path).unwrap();
        for damage in [|path: &_| fs::remove_file(path).unwrap(), |path: &_| fs::write(path, "{}").unwrap()] {
            damage(&path);
            remembered.look();
            assert!(remembered.note("nation", Gate::Open));
            remembered.write();
            assert_eq!(fs::read(&path).unwrap(), json);
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_known() {
        for bytes in [&b"\xFF"[..], b"{}x", b"nation\n", b"{\"opened\":7,\"held_back\":null,\"heard\":null}"]
        {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("embargo.json"), bytes).unwrap();
            assert_eq!(remembered(folder.path()).gate("nation", Some(HOUR)), None);
        }
    }
}
