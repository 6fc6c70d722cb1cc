//! Results in PostgreSQL, 14 or newer: what production runs.
//!
//! Publishing and following changes need the primary: the snapshot of a standby lacks the transactions that are
//! in flight, and a standby is refused.

mod connect;
mod copy;
mod error;
mod leadership;
mod log;
mod pool;
mod read;
mod schema;
mod seed;
mod shared;
mod snapshot;

use std::sync::LazyLock;

use async_trait::async_trait;
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::{
    ChangesSince, Leadership, LookedUp, Origin, SharedSnapshots, SnapshotReader, Source, SourceError,
    row::{COLUMNS, FIRST_MARK, RESULTS, StudentRow},
};
use crate::{
    changes::{Change, Snapshot, Standing},
    student::{MARKS, Student, StudentId},
};
use connect::{Purpose, Server};
use leadership::Candidate;
use pool::Pool;

/// A PostgreSQL database of results.
#[derive(Debug)]
pub(super) struct PostgresSource {
    server: Server,
    /// For the change log and the releases' tokens alone: look-ups that wait for somebody's lock must not hold up the
    /// polls. One connection, so that both are answered by one database, and a new connection is noticed.
    log: Pool,
    /// For looking up one student.
    look_ups: Pool,
    candidate: Candidate,
}

/// A look-up is a matter of 0.1 ms: so many answer 50,000 a second, more than the database has processors for.
const LOOK_UP_CONNECTIONS: u32 = 8;

impl PostgresSource {
    /// The database that a URL `postgres://user:password@host:port/name` leads to. Its connections belong to the
    /// runtime that this is called on.
    pub(super) fn at_url(url: &str) -> Result<Self, SourceError> {
        let server = Server::at_url(url)?;
        Ok(Self {
            log: server.pool(Purpose::Log, 1),
            look_ups: server.pool(Purpose::LookUp, LOOK_UP_CONNECTIONS),
            candidate: Candidate::default(),
            server,
        })
    }
}

#[async_trait]
impl Source for PostgresSource {
    fn place(&self) -> &str {
        self.server.place()
    }

    async fn snapshot(&self) -> Result<Box<dyn SnapshotReader>, SourceError> {
        Ok(Box::new(snapshot::PostgresSnapshot::take(&self.server).await?))
    }

    fn shared(&self) -> Result<&dyn SharedSnapshots, SourceError> {
        Ok(self)
    }

    async fn holds(&self, origin: &Origin) -> Result<bool, SourceError> {
        let mut asked = self.log.take().await?;
        let held = holds(asked.connection(), origin).await?;
        asked.give_back();
        Ok(held)
    }

    async fn changes_since(&self, since: &Snapshot) -> Result<ChangesSince, SourceError> {
        log::changes_since(&self.log, since, self.place()).await
    }

    async fn student(&self, id: StudentId) -> Result<LookedUp, SourceError> {
        let number = signed(id.get())?;
        let mut asked = self.look_ups.take().await?;
        let row = sqlx::query(LOOK_UP.as_str()).bind(number).fetch_one(asked.connection()).await?;
        asked.give_back();
        let change = |transaction: &str, token: &str| -> Result<Option<Change>, SourceError> {
            let transaction: Option<i64> = row.try_get(transaction)?;
            let token: Option<i64> = row.try_get(token)?;
            Ok(transaction.zip(token).map(|(transaction, token)| Change {
                transaction: transaction.unsigned_abs(),
                token: token.cast_unsigned(),
            }))
        };
        let standing = Standing {
            own: change("own_changed", "own_token")?,
            everything: change("everything_changed", "everything_token")?,
        };
        let data_set: Option<String> = row.try_get("data_set")?;
        let data_set = data_set.ok_or_else(|| schema::anonymous(self.place()))?;
        Ok(LookedUp { data_set, student: student_of(&row)?, standing })
    }

    async fn lead(&self) -> Result<Option<Box<dyn Leadership>>, SourceError> {
        self.candidate.lead(&self.server).await
    }
}

/// The data set's id says which one it is; the system's identifier, that transaction ids mean the same; the token,
/// that everything which the release saw is there.
async fn holds(connection: &mut PgConnection, origin: &Origin) -> Result<bool, SourceError> {
    let held = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM data_set WHERE id = $1) \
         AND EXISTS (SELECT FROM release_tokens WHERE token = $2) \
         AND (SELECT system_identifier::text FROM pg_control_system()) = $3",
    );
    let Origin { data_set, token, system, .. } = origin;
    Ok(held.bind(data_set).bind(token).bind(system).fetch_one(connection).await?)
}

/// One student and what the log says of this student, at one instant: always one row.
static LOOK_UP: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {}, own.changed::text::bigint AS own_changed, own.token AS own_token, \
                everything.changed::text::bigint AS everything_changed, everything.token AS everything_token, \
                (SELECT id FROM data_set) AS data_set \
         FROM (SELECT $1::integer AS id) AS asked \
         LEFT JOIN students AS s ON s.id = asked.id {RESULTS} \
         LEFT JOIN changes AS own ON own.student_id = asked.id \
         LEFT JOIN changes AS everything ON everything.student_id = 0",
        *COLUMNS
    )
});

fn student_of(row: &PgRow) -> Result<Option<Student>, SourceError> {
    let Some(id) = row.try_get::<Option<i32>, _>(0)? else { return Ok(None) };
    let mut marks = [None; MARKS];
    for (place, mark) in marks.iter_mut().enumerate() {
        *mark = row.try_get::<Option<i16>, _>(FIRST_MARK + place)?.map(i64::from);
    }
    let row = StudentRow {
        id: i64::from(id),
        name: row.try_get(1)?,
        sex: row.try_get(2)?,
        school: row.try_get(3)?,
        region: row.try_get(4)?,
        stream: row.try_get(5)?,
        marks,
    };
    row.student()
}

/// PostgreSQL's integers are signed.
fn signed(id: u32) -> Result<i32, SourceError> {
    i32::try_from(id)
        .map_err(|_| SourceError::Unusable("an id is beyond what the tables can hold".to_owned()))
}
