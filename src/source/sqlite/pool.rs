use std::{
    fs,
    ops::{Deref, DerefMut},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::{
    super::{Connections, SourceError},
    blocking, schema,
};

/// A few connections to one file, each used by one blocking call at a time.
///
/// SQLite goes on reading a file that was renamed or deleted, or whose path is another file by now. That
/// file is not the truth any more, so every call first looks whether the path still leads to the file that
/// the connection has open, and whether its schema is still the one that was checked: without its triggers a
/// database goes on answering, and hides its changes.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    path: PathBuf,
    turns: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Pooled>>>,
}

/// A connection, and what it was found to be connected to.
#[derive(Debug)]
pub(super) struct Pooled {
    connection: Connection,
    file: FileIdentity,
    schema: i64,
}

/// Device and inode: what tells a file from another one that took its path.
type FileIdentity = (u64, u64);

/// Reading is a matter of microseconds: more connections than this would only wait for the processor.
const CONNECTIONS: usize = 4;

/// How long a call waits for another program's write lock. A bulk load holds it for a second or so.
const PATIENCE: Duration = Duration::from_secs(10);

impl Pool {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, turns: Arc::new(Semaphore::new(CONNECTIONS)), idle: Arc::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` with a connection on a thread that may block. A connection whose work failed is closed.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Pooled) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let stopped = |_| SourceError::Unavailable("the program is stopping".to_owned());
        let turn = self.turns.clone().acquire_owned().await.map_err(stopped)?;
        let pool = self.clone();
        blocking(move || {
            let _turn = turn;
            let mut pooled = pool.take()?;
            let answer = work(&mut pooled)?;
            pool.idle().push(pooled);
            Ok(answer)
        })
        .await
    }

    pub(super) fn connections(&self) -> Connections {
        let most = CONNECTIONS as u64;
        let in_use = most.saturating_sub(self.turns.available_permits() as u64);
        Connections { idle: self.idle().len() as u64, in_use, most }
    }

    /// Opens a connection that belongs to the caller, for work that keeps it for long.
    pub(super) fn open(&self) -> Result<Pooled, SourceError> {
        self.connect()
    }

    fn take(&self) -> Result<Pooled, SourceError> {
        let file = identity(&self.path)?;
        loop {
            match self.idle().pop() {
                Some(pooled) if pooled.is_still(file) => return Ok(pooled),
                Some(_gone) => {}
                None => return self.connect(),
            }
        }
    }

    fn connect(&self) -> Result<Pooled, SourceError> {
        let file = identity(&self.path)?;
        let connection = Connection::open_with_flags(
            &self.path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        configure(&connection)?;
        let schema = schema::cookie(&connection)?;
        schema::check(&connection, &self.path)?;
        Ok(Pooled { connection, file, schema })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Pooled>> {
        // A list of connections is whole whatever a panicking thread did.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pooled {
    /// Names the file, so that one that has taken its path is noticed.
    pub(super) fn incarnation(&self) -> String {
        let (device, inode) = self.file;
        format!("{device}:{inode}")
    }

    fn is_still(&self, file: FileIdentity) -> bool {
        self.file == file && schema::cookie(&self.connection).is_ok_and(|cookie| cookie == self.schema)
    }
}

impl Deref for Pooled {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// Settings of every connection, the seeder's included.
pub(super) fn configure(connection: &Connection) -> Result<(), SourceError> {
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(16);
    Ok(())
}

fn identity(path: &Path) -> Result<FileIdentity, SourceError> {
    let metadata = fs::metadata(path)
        .map_err(|error| SourceError::Unavailable(format!("{}: {error}", path.display())))?;
    Ok((metadata.dev(), metadata.ino()))
}
