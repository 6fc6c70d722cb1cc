use std::{
    fs, io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::release_cache::CacheDirectory;

/// Which data set was opened last, on disk: neither a restart nor a clock that jumps back hides it again.
#[derive(Debug)]
pub(crate) struct Opened {
    directory: Arc<CacheDirectory>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The data set.
    opened: Option<String>,
    /// Whether that is on disk.
    written: bool,
    /// When it was last tried to write it, and in vain.
    failed: Option<Instant>,
}

/// After a failure, a full disk for example, it is tried again this much later.
const NEXT_TRY: Duration = Duration::from_secs(5);

impl Opened {
    /// What an earlier server wrote. What cannot be read was not opened: the clock will tell.
    pub(crate) fn read(directory: Arc<CacheDirectory>) -> Self {
        let opened = match fs::read_to_string(directory.opened()) {
            Ok(data_set) => Some(data_set.trim_end().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(%error, "which data set was opened cannot be read; its hour decides");
                None
            }
        };
        let state = State { written: opened.is_some(), opened, failed: None };
        Self { directory, state: Mutex::new(state) }
    }

    /// Whether this data set was opened last.
    pub(crate) fn is(&self, data_set: &str) -> bool {
        self.state().opened.as_deref() == Some(data_set)
    }

    /// Whether there is something to write: this data set is open, and the disk does not say so yet.
    pub(super) fn is_due(&self, data_set: &str) -> bool {
        let state = self.state();
        let written = state.written && state.opened.as_deref() == Some(data_set);
        !written && state.failed.is_none_or(|failed| failed.elapsed() > NEXT_TRY)
    }

    /// This data set is open. Blocks until that is on disk, or cannot be.
    pub(super) fn write(&self, data_set: &str) {
        let new = State { opened: Some(data_set.to_owned()), ..State::default() };
        let said = std::mem::replace(&mut *self.state(), new).failed.is_some();
        // Written without the lock: nobody waits for a disk.
        let written = self.directory.write_opened(data_set);
        let mut state = self.state();
        match written {
            Ok(()) => state.written = true,
            Err(error) => {
                state.failed = Some(Instant::now());
                if !said {
                    tracing::error!(
                        %error,
                        "results are open, and that is not written down; a restart goes by their hour again"
                    );
                }
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(folder: &std::path::Path) -> Arc<CacheDirectory> {
        Arc::new(CacheDirectory::open(folder).unwrap())
    }

    #[test]
    fn what_was_opened_is_known_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let opened = Opened::read(directory(folder.path()));
        assert!(!opened.is("nation") && opened.is_due("nation"));
        opened.write("nation");
        assert!(opened.is("nation") && !opened.is_due("nation"));
        assert!(!opened.is("other") && opened.is_due("other"));
        drop(opened);
        let opened = Opened::read(directory(folder.path()));
        assert!(opened.is("nation") && !opened.is_due("nation"));
        opened.write("other");
        assert!(!opened.is("nation") && opened.is("other"));
        assert_eq!(fs::read_to_string(folder.path().join("opened")).unwrap(), "other\n");
    }

    #[test]
    fn what_cannot_be_written_is_known_all_the_same_and_rests_before_the_next_try() {
        let folder = tempfile::tempdir().unwrap();
        let opened = Opened::read(directory(folder.path()));
        fs::create_dir(folder.path().join("opened.new")).unwrap();
        opened.write("nation");
        assert!(opened.is("nation") && !opened.is_due("nation"));
        assert!(!folder.path().join("opened").exists());
    }

    #[test]
    fn what_cannot_be_read_was_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("opened"), [0xFF]).unwrap();
        assert!(!Opened::read(directory(folder.path())).is("nation"));
    }
}
