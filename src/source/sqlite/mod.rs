//! Results in a SQLite file: the embedded source, with nothing to install.
//!
//! The file is in WAL mode, so that readers and the one writer do not wait for each other.

mod leadership;
mod pool;
mod publish;
mod rows;
mod schema;
mod seed;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    ChangesSince, Leadership, LookedUp, Origin, SharedSnapshots, SnapshotReader, Source, SourceError,
};
use crate::{
    changes::{Change, Changed, Snapshot, Standing},
    student::StudentId,
};
use leadership::LockFile;
use pool::Pool;

/// A SQLite file of results.
#[derive(Debug, Clone)]
pub(super) struct SqliteSource {
    pool: Pool,
    place: String,
}

impl SqliteSource {
    /// The file that the part of a URL behind `sqlite:` names: `var/results.db`, `//var/results.db` or
    /// `///var/lib/results.db`.
    pub(super) fn at_url_path(path: &str) -> Result<Self, SourceError> {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.contains('?') || path.contains('#') {
            return Err(SourceError::Unusable(format!("sqlite:{path} names no file; give sqlite:PATH")));
        }
        Ok(Self { pool: Pool::new(path.into()), place: format!("sqlite:{path}") })
    }
}

#[async_trait]
impl Source for SqliteSource {
    fn place(&self) -> &str {
        &self.place
    }

    async fn snapshot(&self) -> Result<Box<dyn SnapshotReader>, SourceError> {
        let pool = self.pool.clone();
        let reader = blocking(move || publish::SqliteSnapshot::take(&pool)).await?;
        Ok(Box::new(reader))
    }

    fn shared(&self) -> Result<&dyn SharedSnapshots, SourceError> {
        Err(SourceError::Unusable(format!(
            "{} is a SQLite file, of whose snapshots only one program can read; publish it as a whole, without parts",
            self.place
        )))
    }

    async fn holds(&self, origin: &Origin) -> Result<bool, SourceError> {
        let origin = origin.clone();
        self.pool.run(move |connection| holds(connection, &origin)).await
    }

    async fn changes_since(&self, since: &Snapshot) -> Result<ChangesSince, SourceError> {
        let since = since.clone();
        self.pool
            .run(move |connection| {
                let incarnation = connection.incarnation();
                let transaction = connection.transaction()?;
                let data_set = data_set(&transaction)?;
                let rows = changes_since(&transaction, &since)?;
                Ok(ChangesSince { data_set: data_set.id, incarnation, rows, snapshot: data_set.snapshot })
            })
            .await
    }

    async fn student(&self, id: StudentId) -> Result<LookedUp, SourceError> {
        self.pool
            .run(move |connection| {
                let transaction = connection.transaction()?;
                let student = transaction
                    .prepare_cached(&rows::STUDENTS)?
                    .query_row(params![id.get(), id.get()], |row| Ok(rows::student_of(row)))
                    .optional()?
                    .transpose()?
                    .flatten();
                let mut standing = Standing::default();
                let mut statement = transaction.prepare_cached(
                    "SELECT student_id, revision, token FROM changes WHERE student_id IN (?, 0)",
                )?;
                for row in statement.query_map(params![id.get()], rows::change_of)? {
                    match row? {
                        (Changed::Everything, change) => standing.everything = Some(change),
                        (Changed::Student(_), change) => standing.own = Some(change),
                    }
                }
                drop(statement);
                Ok(LookedUp { data_set: data_set(&transaction)?.id, student, standing })
            })
            .await
    }

    async fn lead(&self) -> Result<Option<Box<dyn Leadership>>, SourceError> {
        let database = self.pool.path().to_owned();
        let locked = blocking(move || LockFile::try_lock(&database)).await?;
        Ok(locked.map(|lock| Box::new(lock) as Box<dyn Leadership>))
    }
}

/// Runs `work` on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    let answer = tokio::task::spawn_blocking(work).await;
    answer.map_err(|error| SourceError::Unavailable(format!("a database call died: {error}")))?
}

/// The changes that `since` did not see. With one writer, revisions commit in order: a snapshot is a single number.
fn changes_since(connection: &Connection, since: &Snapshot) -> Result<Vec<(Changed, Change)>, SourceError> {
    let rows = connection
        .prepare_cached(
            "SELECT student_id, revision, token FROM changes WHERE revision >= ? ORDER BY revision",
        )?
        .query_map(params![signed(since.xmax())?], rows::change_of)?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(rows)
}

fn holds(connection: &Connection, origin: &Origin) -> Result<bool, SourceError> {
    let mut token = connection.prepare_cached("SELECT 1 FROM release_tokens WHERE token = ?")?;
    Ok(data_set(connection)?.id == origin.data_set && token.exists(params![origin.token])?)
}

/// The one row of `data_set`.
struct DataSet {
    id: String,
    complete: bool,
    snapshot: Snapshot,
}

fn data_set(connection: &Connection) -> Result<DataSet, SourceError> {
    connection
        .prepare_cached("SELECT id, complete, revision FROM data_set")?
        .query_row([], |row| {
            Ok(DataSet {
                id: row.get(0)?,
                complete: row.get(1)?,
                snapshot: Snapshot::of_revision(row.get::<_, i64>(2)?.unsigned_abs()),
            })
        })
        .map_err(Into::into)
}

/// SQLite's integers are signed.
fn signed(number: u64) -> Result<i64, SourceError> {
    i64::try_from(number)
        .map_err(|_| SourceError::Unusable(format!("revision {number} is beyond what SQLite can hold")))
}

impl From<rusqlite::Error> for SourceError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        match error.sqlite_error_code() {
            // Somebody else's lock, and the disk: both can be over the next time.
            Some(
                Code::DatabaseBusy
                | Code::DatabaseLocked
                | Code::FileLockingProtocolFailed
                | Code::SchemaChanged
                | Code::OperationAborted
                | Code::OperationInterrupted
                | Code::OutOfMemory
                | Code::CannotOpen
                | Code::PermissionDenied
                | Code::ReadOnly
                | Code::SystemIoFailure
                | Code::DiskFull,
            ) => Self::Unavailable(error.to_string()),
            Some(Code::NotADatabase) => Self::Unusable(format!("the file is not a SQLite database: {error}")),
            _ => Self::Unusable(error.to_string()),
        }
    }
}
