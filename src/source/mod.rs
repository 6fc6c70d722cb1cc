//! Where results are kept: the database that is the truth.
//!
//! [`Source`] is what publishing and serving ask of it, [`Seed`] what the seeder asks. Every backend passes
//! the same conformance suite, `tests/source_conformance/`. The backend is chosen by URL, in [`connect`].

mod leadership;
mod origin;
mod postgres;
mod row;
mod seed;
mod shared;
mod sqlite;

use std::{fmt, ops::RangeInclusive, sync::Arc};

use async_trait::async_trait;
use tokio::sync::mpsc;

use postgres::PostgresSource;
use sqlite::SqliteSource;

use crate::{
    changes::{Change, ChangeLog, Changed, Snapshot, Standing},
    student::{Student, StudentId},
};

pub use leadership::Leadership;
pub use origin::Origin;
pub use seed::{Seed, SeedPlan, Seeded};
pub use shared::{ExportedSnapshot, SharedSnapshots};

/// A database of results. Every method may be called from many tasks at once.
///
/// Nothing is held open between calls but connections: when the database goes away the calls fail with
/// [`SourceError::Unavailable`], and when it is back they succeed again.
#[async_trait]
pub trait Source: Seed + Send + Sync + fmt::Debug {
    /// What messages call the database: its URL, without a password.
    fn place(&self) -> &str;

    /// Takes a snapshot of a complete data set to publish from, and commits a new random token behind it: a
    /// database that holds the token holds everything that the snapshot saw.
    async fn snapshot(&self) -> Result<Box<dyn SnapshotReader>, SourceError>;

    /// What it takes for several machines to read one snapshot. A database that cannot do it says so in an error.
    fn shared(&self) -> Result<&dyn SharedSnapshots, SourceError>;

    /// Whether this is the data set that `origin` was read from, with everything that it held then. `false`
    /// for another data set, and for a backup that was taken before.
    async fn holds(&self, origin: &Origin) -> Result<bool, SourceError>;

    /// The changes which `since` did not see, and the snapshot to ask with next, both read at one instant.
    async fn changes_since(&self, since: &Snapshot) -> Result<ChangesSince, SourceError>;

    /// One student as of now.
    async fn student(&self, id: StudentId) -> Result<LookedUp, SourceError>;

    /// Takes the lead among the programs that would do the same work for this database, if nobody has it: `None`
    /// where somebody else leads. Whoever stands by asks about once a second.
    async fn lead(&self) -> Result<Option<Box<dyn Leadership>>, SourceError>;
}

/// What a look-up of one student brings, all of it read at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookedUp {
    /// The data set that was asked. It may be another one than at the last poll.
    pub data_set: String,
    /// The student; `None` where there is no row, or no row of results.
    pub student: Option<Student>,
    /// What the change log says of the student.
    pub standing: Standing,
}

/// The data set at one instant, held still for a publication.
#[async_trait]
pub trait SnapshotReader: Send {
    /// What is being read, as a release names it.
    fn origin(&self) -> &Origin;

    /// How many students each block of 1,000 ids holds, in the order of the blocks; empty blocks are left out.
    async fn census(&mut self) -> Result<Vec<(u32, u32)>, SourceError>;

    /// Whether this is the data set that `origin` was read from, with everything that it held then:
    /// [`Source::holds`] at this instant.
    async fn holds(&mut self, origin: &Origin) -> Result<bool, SourceError>;

    /// What the change log says at this instant of changes that `since` did not see.
    async fn changes(&mut self, since: &Snapshot) -> Result<ChangeLog, SourceError>;

    /// Those of these students who have a result, in id order. All of them are in memory at once, and each costs a
    /// look-up of its own: it is for a few students of many.
    async fn students(&mut self, ids: &[StudentId]) -> Result<Vec<Student>, SourceError>;

    /// Sends the students whose ids lie in one of `ranges`, range by range, each in id order and as one
    /// batch; a range without students is an empty batch. Ends early, without an error, when the receiver
    /// is dropped.
    async fn read(
        self: Box<Self>,
        ranges: Vec<RangeInclusive<u32>>,
        batches: mpsc::Sender<Vec<Student>>,
    ) -> Result<(), SourceError>;
}

/// What a poll of the change log brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangesSince {
    /// The data set that was asked.
    pub data_set: String,
    /// Which incarnation of the database answered: in another one, a restored backup say, the same numbers
    /// may name other changes.
    pub incarnation: String,
    /// The rows that the last snapshot did not see.
    pub rows: Vec<(Changed, Change)>,
    /// What has been seen now.
    pub snapshot: Snapshot,
}

/// Why a source did not answer, by what the caller can do next.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The database cannot be reached, or is busy beyond patience. Try again later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database is there and is not what it should be; a person must act.
    #[error("{0}")]
    Unusable(String),
    /// The database answers, and does not log all of its changes: nobody can be called unchanged.
    #[error("{0}")]
    Unlogged(String),
    /// A row breaks the rules that its table promises; a person must correct it.
    #[error("the row of student {id} is invalid: {problem}")]
    InvalidRow {
        /// The student's id as the table has it.
        id: i64,
        /// What is wrong with which column.
        problem: String,
    },
}

/// Opens the database that `url` names: `sqlite:PATH` or `postgres://USER:PASSWORD@HOST:PORT/NAME`. Nothing is
/// created, and nothing is asked yet. Connections will belong to the runtime that this is called on.
pub fn connect(url: &str) -> Result<Arc<dyn Source>, SourceError> {
    match url.split_once(':') {
        Some(("sqlite", path)) => Ok(Arc::new(SqliteSource::at_url_path(path)?)),
        Some(("postgres" | "postgresql", _)) => Ok(Arc::new(PostgresSource::at_url(url)?)),
        // What was given is not repeated: it may hold a password.
        _ => Err(SourceError::Unusable(
            "that is not the URL of a database; give sqlite:PATH, for example sqlite:var/results.db, or \
             postgres://USER:PASSWORD@HOST:PORT/NAME"
                .to_owned(),
        )),
    }
}
