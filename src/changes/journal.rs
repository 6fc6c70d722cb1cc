use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Change, ChangeLog, Changed};
use crate::{student::StudentId, whole};

/// What a server knows of the change log, on disk: one line of JSON for what each poll brought, appended
/// before the server acts on it, so that a killed server forgets nothing that it had acted on.
///
/// A file belongs to one data set. A line that was being written when the server died is not whole: nobody
/// acted on it, and the next [`Journal::create`] leaves it out.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    lines_written: usize,
    bytes_written: u64,
    /// When the file last changed by this one's hand.
    changed: (i64, i64),
}

/// Why the journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the journal of changes {path}: {source}", path = path.display())]
pub struct JournalError {
    path: PathBuf,
    source: io::Error,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    journal: u32,
    data_set: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Poll {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    everything: Option<Change>,
    students: Vec<(StudentId, Change)>,
}

const VERSION: u32 = 1;

/// After so many lines the file is due to be written anew: reading it back stays a matter of milliseconds.
const LINES: usize = 10_000;

impl Journal {
    /// Reads what an earlier server wrote: the data set it heard from and its whole log. `None` where there
    /// is nothing, or nothing whole, or something damaged.
    pub fn read(path: &Path) -> Result<Option<(String, ChangeLog)>, JournalError> {
        let failed = |source| JournalError { path: path.to_owned(), source };
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(failed)?,
        };
        // What stands behind the last newline was being written when the server died.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        let mut lines = bytes[..whole].split(|byte| *byte == b'\n');
        let header = lines.next().unwrap_or_default();
        let Ok(Header { journal: VERSION, data_set }) = serde_json::from_slice(header) else {
            return Ok(None);
        };
        // A whole line that is no poll is damage. To know nothing is safe then, and to know too little is not.
        let Ok(polls) = lines.map(serde_json::from_slice).collect::<Result<Vec<Poll>, _>>() else {
            return Ok(None);
        };
        if polls.is_empty() {
            return Ok(None);
        }
        let mut log = ChangeLog::default();
        for poll in polls {
            log.extend(poll.everything.map(|change| (Changed::Everything, change)));
            log.extend(poll.students.into_iter().map(|(id, change)| (Changed::Student(id), change)));
        }
        Ok(Some((data_set, log)))
    }

    /// Writes a new journal that holds `log` in the place of the old one, atomically.
    pub fn create(path: &Path, data_set: &str, log: &ChangeLog) -> Result<Self, JournalError> {
        let write = || {
            let mut lines = line(&Header { journal: VERSION, data_set: data_set.to_owned() })?;
            lines.extend(line(&Poll::of(log.iter()))?);
            whole::write_durably(path, &lines)?;
            let file = OpenOptions::new().append(true).open(path)?;
            let changed = changed(&file.metadata()?);
            let bytes_written = lines.len() as u64;
            Ok(Self { file, path: path.to_owned(), lines_written: 0, bytes_written, changed })
        };
        write().map_err(|source| JournalError { path: path.to_owned(), source })
    }

    /// Appends what one poll brought. When this returns, the death of this process loses nothing; the death
    /// of the machine may, until [`Journal::sync`].
    pub fn append(&mut self, rows: &[(Changed, Change)]) -> Result<(), JournalError> {
        self.lines_written += 1;
        // One write for the whole line: a reader sees all of it or a line that does not parse.
        let mut write = || {
            let line = line(&Poll::of(rows.iter().copied()))?;
            self.file.write_all(&line)?;
            self.bytes_written += line.len() as u64;
            self.changed = changed(&self.file.metadata()?);
            Ok(())
        };
        write().map_err(|source| JournalError { path: self.path.clone(), source })
    }

    /// Whether a server that starts would find what was written: nobody has put another file in the place of this one,
    /// wrote into it or made it shorter.
    pub fn is_there(&self) -> bool {
        let (Ok(held), Ok(there)) = (self.file.metadata(), fs::metadata(&self.path)) else { return false };
        (held.dev(), held.ino()) == (there.dev(), there.ino())
            && there.len() == self.bytes_written
            && changed(&there) == self.changed
    }

    /// A handle for making what was appended survive the death of the machine, on another thread.
    pub fn sync(&self) -> Result<impl FnOnce() -> Result<(), JournalError> + Send + use<>, JournalError> {
        let path = self.path.clone();
        match self.file.try_clone() {
            Ok(file) => Ok(move || file.sync_data().map_err(|source| JournalError { path, source })),
            Err(source) => Err(JournalError { path, source }),
        }
    }

    /// Whether the file has grown so long that it should be written anew.
    pub fn is_long(&self) -> bool {
        self.lines_written >= LINES
    }
}

impl Poll {
    fn of(rows: impl Iterator<Item = (Changed, Change)>) -> Self {
        let mut poll = Self { everything: None, students: Vec::new() };
        for (changed, change) in rows {
            match changed {
                Changed::Everything => poll.everything = Some(change),
                Changed::Student(id) => poll.students.push((id, change)),
            }
        }
        poll
    }
}

fn changed(file: &Metadata) -> (i64, i64) {
    (file.ctime(), file.ctime_nsec())
}

fn line(fields: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(fields)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u32, transaction: u64) -> (Changed, Change) {
        let changed = StudentId::new(number).map_or(Changed::Everything, Changed::Student);
        (changed, Change { transaction, token: u64::MAX - transaction })
    }

    fn rows(log: &ChangeLog) -> Vec<(Changed, Change)> {
        log.iter().collect()
    }

    /// A journal that was made with two rows and got two polls, and where the lines of the file end.
    fn written(folder: &Path) -> (PathBuf, Vec<usize>) {
        let path = folder.join("changes");
        let log = [row(5, 1), row(6, 2)].into_iter().collect();
        let mut journal = Journal::create(&path, "nation", &log).unwrap();
        journal.append(&[row(5, 3), row(7, 3)]).unwrap();
        journal.append(&[row(0, 4)]).unwrap();
        journal.sync().unwrap()().unwrap();
        let bytes = fs::read(&path).unwrap();
        let ends = (0..bytes.len()).filter(|place| bytes[*place] == b'\n').map(|place| place + 1);
        (path, ends.collect())
    }

    #[test]
    fn what_was_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = written(folder.path());
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "{\"journal\":1,\"data_set\":\"nation\"}\n\
             {\"students\":[[5,[1,18446744073709551614]],[6,[2,18446744073709551613]]]}\n\
             {\"students\":[[5,[3,18446744073709551612]],[7,[3,18446744073709551612]]]}\n\
             {\"everything\":[4,18446744073709551611],\"students\":[]}\n"
        );
        let (data_set, log) = Journal::read(&path).unwrap().unwrap();
        assert_eq!(data_set, "nation");
        assert_eq!(rows(&log), [row(0, 4), row(5, 3), row(6, 2), row(7, 3)]);
    }

    #[test]
    fn nothing_is_read_where_nothing_is() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Journal::read(&folder.path().join("changes")).unwrap().is_none());
        let error = Journal::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&folder.path().display().to_string()), "{error}");
    }

    #[test]
    fn a_torn_last_line_loses_that_poll_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, ends) = written(folder.path());
        let whole = fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let read = Journal::read(&path).unwrap().map(|(_, log)| rows(&log));
            let expected = match ends.iter().filter(|end| **end <= cut).count() {
                // Without the log that the journal began with, less is known than nothing.
                0 | 1 => None,
                2 => Some(vec![row(5, 1), row(6, 2)]),
                3 => Some(vec![row(5, 3), row(6, 2), row(7, 3)]),
                _ => Some(vec![row(0, 4), row(5, 3), row(6, 2), row(7, 3)]),
            };
            assert_eq!(read, expected, "cut at {cut} of {ends:?}");
        }
    }

    #[test]
    fn a_damaged_line_makes_the_whole_journal_worth_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (path, ends) = written(folder.path());
        let whole = fs::read(&path).unwrap();
        for start in [0].iter().chain(&ends[..3]) {
            let mut damaged = whole.clone();
            damaged[*start] = b'?';
            fs::write(&path, damaged).unwrap();
            assert!(Journal::read(&path).unwrap().is_none(), "damaged at {start}");
        }
    }

    #[test]
    fn a_journal_of_another_version_or_of_something_else_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("changes");
        for header in [
            "{\"journal\":2,\"data_set\":\"nation\"}",
            "{\"journal\":1}",
            "{\"journal\":1,\"data_set\":\"nation\",\"more\":1}",
            "",
            "\u{0}",
            "hello",
        ] {
            fs::write(&path, format!("{header}\n{{\"students\":[]}}\n")).unwrap();
            assert!(Journal::read(&path).unwrap().is_none(), "{header:?}");
        }
        fs::write(&path, [0xFF; 100]).unwrap();
        assert!(Journal::read(&path).unwrap().is_none());
    }

    #[test]
    fn a_new_journal_takes_the_place_of_the_old_one_in_one_step() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = written(folder.path());
        let old = File::open(&path).unwrap();
        // What a server that died on the way left behind.
        fs::write(path.with_extension("new"), "half a journal").unwrap();
        let log = [row(9, 9)].into_iter().collect();
        let mut journal = Journal::create(&path, "other nation", &log).unwrap();
        journal.append(&[row(10, 10)]).unwrap();

        let (data_set, log) = Journal::read(&path).unwrap().unwrap();
        assert_eq!((data_set.as_str(), rows(&log)), ("other nation", vec![row(9, 9), row(10, 10)]));
        let names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["changes"]);
        // Whoever had the old one open still reads all of the old one: nothing was written over it.
        assert!(io::read_to_string(old).unwrap().starts_with("{\"journal\":1,\"data_set\":\"nation\"}\n"));
    }

    #[test]
    fn a_journal_grows_long_after_ten_thousand_polls_and_is_short_when_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("changes");
        let mut journal = Journal::create(&path, "nation", &ChangeLog::default()).unwrap();
        for poll in 1..=10_000 {
            assert!(!journal.is_long(), "{poll}");
            journal.append(&[row(poll, 1)]).unwrap();
        }
        assert!(journal.is_long());
        let (_, log) = Journal::read(&path).unwrap().unwrap();
        assert_eq!(log.len(), 10_000);
        assert!(!Journal::create(&path, "nation", &log).unwrap().is_long());
    }

    #[test]
    fn a_full_disk_is_an_error_that_names_the_journal() {
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut journal =
            Journal { file, path: "var/changes".into(), lines_written: 0, bytes_written: 0, changed: (0, 0) };
        let error = journal.append(&[row(5, 1)]).unwrap_err().to_string();
        assert!(error.starts_with("the journal of changes var/changes: No space left"), "{error}");
    }
}
