use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Change, ChangeLog, Changed};
use crate::student::StudentId;

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
    /// is nothing, or nothing whole.
    pub fn read(path: &Path) -> Result<Option<(String, ChangeLog)>, JournalError> {
        let failed = |source| JournalError { path: path.to_owned(), source };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let mut lines = BufReader::new(file).split(b'\n');
        let header = lines.next().transpose().map_err(failed)?.unwrap_or_default();
        let Ok(Header { journal: VERSION, data_set }) = serde_json::from_slice(&header) else {
            return Ok(None);
        };
        let mut log = ChangeLog::default();
        for line in lines {
            let Ok(poll) = serde_json::from_slice::<Poll>(&line.map_err(failed)?) else { break };
            log.extend(poll.everything.map(|change| (Changed::Everything, change)));
            log.extend(poll.students.into_iter().map(|(id, change)| (Changed::Student(id), change)));
        }
        Ok(Some((data_set, log)))
    }

    /// Writes a new journal that holds `log` in the place of the old one, atomically.
    pub fn create(path: &Path, data_set: &str, log: &ChangeLog) -> Result<Self, JournalError> {
        let write = || {
            let temporary = path.with_extension("new");
            let mut file = File::create(&temporary)?;
            write_line(&mut file, &Header { journal: VERSION, data_set: data_set.to_owned() })?;
            write_line(&mut file, &Poll::of(log.iter()))?;
            file.sync_all()?;
            fs::rename(&temporary, path)?;
            File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
            OpenOptions::new().append(true).open(path)
        };
        let file = write().map_err(|source| JournalError { path: path.to_owned(), source })?;
        Ok(Self { file, path: path.to_owned(), lines_written: 0 })
    }

    /// Appends what one poll brought. When this returns, the death of this process loses nothing; the death
    /// of the machine may, until [`Journal::sync`].
    pub fn append(&mut self, rows: &[(Changed, Change)]) -> Result<(), JournalError> {
        self.lines_written += 1;
        write_line(&mut self.file, &Poll::of(rows.iter().copied()))
            .map_err(|source| JournalError { path: self.path.clone(), source })
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

/// One write for the whole line: a reader sees all of it or a line that does not parse.
fn write_line(file: &mut File, line: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    file.write_all(&bytes)
}
