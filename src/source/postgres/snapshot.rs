use std::{ops::RangeInclusive, sync::LazyLock};

use async_trait::async_trait;
use sqlx::{PgConnection, Row};
use tokio::sync::mpsc;

use super::{
    super::{
        Origin, SnapshotReader, SourceError,
        row::{COLUMNS, RESULTS},
    },
    connect::{Purpose, Server},
    log,
    read::read,
    schema,
    transaction::{import, is_waited_for, lock_tables},
};
use crate::{
    changes::{ChangeLog, Snapshot},
    random,
    shard::Width,
    student::{Student, StudentId},
};

/// Transactions that see the same snapshot, each on a connection of its own.
///
/// A TRUNCATE is not MVCC-safe: it empties a table for snapshots older than itself. So every transaction locks
/// the tables against it before the snapshot is taken, and until it ends. (Whoever truncates meanwhile waits, and
/// look-ups wait behind it: a `lock_timeout` is good manners there.)
pub(super) struct PostgresSnapshot {
    /// Where the snapshot comes from.
    leader: PgConnection,
    followers: Vec<PgConnection>,
    origin: Origin,
    /// The name under which others see it as long as the leader's transaction lasts.
    exported: String,
}

/// Streams that read at once. Two took 0.64 s for a nation where one took 1.13; more than the database has
/// processors to spare gain nothing.
const STREAMS: usize = 2;

/// Whoever holds a snapshot for others and is not heard of for so long has lost it: the tables are not locked for a
/// machine that vanished or is frozen.
const HOLDER_TIMEOUT: &str = "SET LOCAL idle_in_transaction_session_timeout = '60s'";

/// Students picked out by their ids.
static STUDENTS: LazyLock<String> = LazyLock::new(|| {
    format!("SELECT {} FROM students AS s {RESULTS} WHERE s.id = ANY ($1) ORDER BY s.id", *COLUMNS)
});

impl PostgresSnapshot {
    /// To read all of it here.
    pub(super) async fn take(server: &Server) -> Result<Self, SourceError> {
        Self::take_with(server, STREAMS).await
    }

    /// To be read from elsewhere.
    pub(super) async fn export(server: &Server) -> Result<Self, SourceError> {
        let mut snapshot = Self::take_with(server, 1).await?;
        sqlx::raw_sql(HOLDER_TIMEOUT).execute(&mut snapshot.leader).await?;
        Ok(snapshot)
    }

    /// The one that was exported elsewhere, if its holder is still there.
    pub(super) async fn import(
        server: &Server,
        exported: &str,
        origin: &Origin,
    ) -> Result<Option<Self>, SourceError> {
        let (mut leader, mut followers) = connect(server, STREAMS).await?;
        lock_tables(&mut leader, &mut followers).await?;
        for connection in [&mut leader].into_iter().chain(&mut followers) {
            if !import(connection, exported).await? {
                return Ok(None);
            }
        }
        let read = sqlx::query_as(
            "SELECT (SELECT id FROM data_set), (SELECT system_identifier::text FROM pg_control_system()), \
                    pg_current_snapshot()::text",
        );
        let (data_set, system, snapshot): (Option<String>, String, String) =
            read.fetch_one(&mut leader).await?;
        // Such a name comes again after a restart of the database, and in others.
        let is_the_same = data_set.as_ref() == Some(&origin.data_set)
            && system == origin.system
            && log::parse(&snapshot)? == origin.snapshot;
        Ok(is_the_same.then(|| Self {
            leader,
            followers,
            origin: origin.clone(),
            exported: exported.to_owned(),
        }))
    }

    pub(super) fn exported(&self) -> &str {
        &self.exported
    }

    /// Hears from the database that it is there, and gives way to who waits for its tables.
    pub(super) async fn keep(&mut self) -> Result<(), SourceError> {
        match is_waited_for(&mut self.leader).await? {
            false => Ok(()),
            true => Err(SourceError::Unavailable(
                "somebody has waited for 10 s to lock a table, most likely for a TRUNCATE, and the snapshot is given up \
                 for that"
                    .to_owned(),
            )),
        }
    }

    async fn take_with(server: &Server, streams: usize) -> Result<Self, SourceError> {
        let (mut leader, mut followers) = connect(server, streams).await?;
        lock_tables(&mut leader, &mut followers).await?;
        let row = sqlx::query(
            "SELECT pg_export_snapshot(), pg_current_snapshot()::text, pg_is_in_recovery(), \
                    (SELECT system_identifier::text FROM pg_control_system()), \
                    (SELECT id FROM data_set), coalesce((SELECT complete FROM data_set), false)",
        );
        let row = row.fetch_one(&mut leader).await?;
        if row.try_get(2)? {
            return Err(schema::standby(server.place()));
        }
        if !row.try_get::<bool, _>(5)? {
            return Err(SourceError::Unusable(format!(
                "the data set in {} is not complete: a seeder died or is still at work; run db-seeder to the end \
                 first",
                server.place()
            )));
        }
        let ways_round: Option<Vec<String>> =
            sqlx::query_scalar(schema::WAYS_ROUND).fetch_one(&mut leader).await?;
        if let Some(ways_round) = ways_round {
            return Err(schema::unlogged(server.place(), &ways_round));
        }
        let exported: String = row.try_get(0)?;
        for follower in &mut followers {
            import_held(follower, &exported).await?;
        }
        let origin = Origin {
            data_set: row.try_get(4)?,
            system: row.try_get(3)?,
            token: commit_token(server, &exported).await?,
            snapshot: log::parse(row.try_get(1)?)?,
        };
        Ok(Self { leader, followers, origin, exported })
    }
}

/// Commits a token behind the snapshot: whoever holds it holds everything that was committed before it, and so the
/// snapshot. It is committed under that snapshot, which no other server can import: after a fail-over the token would
/// vouch for a database that lacks what the snapshot saw.
async fn commit_token(server: &Server, exported: &str) -> Result<String, SourceError> {
    let token = random::hex_u64();
    let mut writer = server.connect(Purpose::Bulk).await?;
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ").execute(&mut writer).await?;
    import_held(&mut writer, exported).await?;
    sqlx::query("INSERT INTO release_tokens VALUES ($1)").bind(&token).execute(&mut writer).await?;
    sqlx::raw_sql("COMMIT").execute(&mut writer).await?;
    Ok(token)
}

/// The same for one that is held here.
async fn import_held(connection: &mut PgConnection, exported: &str) -> Result<(), SourceError> {
    match import(connection, exported).await? {
        true => Ok(()),
        false => Err(SourceError::Unavailable("the snapshot was lost while it was taken".to_owned())),
    }
}

/// The leader's connection, and the others.
async fn connect(server: &Server, streams: usize) -> Result<(PgConnection, Vec<PgConnection>), SourceError> {
    let leader = server.connect(Purpose::Bulk).await?;
    let mut followers = Vec::new();
    for _ in 1..streams {
        followers.push(server.connect(Purpose::Bulk).await?);
    }
    Ok((leader, followers))
}

#[async_trait]
impl SnapshotReader for PostgresSnapshot {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    async fn census(&mut self) -> Result<Vec<(u32, u32)>, SourceError> {
        const BLOCK: u32 = Width::DENSE.get();
        let census = format!("SELECT id / {BLOCK}, count(*) FROM students GROUP BY 1");
        let mut counted = sqlx::query_as(sqlx::AssertSqlSafe(census)).fetch_all(&mut self.leader).await?;
        counted.sort_unstable();
        let counts = counted.into_iter().map(|(block, count): (i32, i64)| {
            let counted = u32::try_from(block).ok().zip(u32::try_from(count).ok());
            counted.ok_or_else(|| SourceError::InvalidRow {
                id: i64::from(block) * i64::from(BLOCK),
                problem: "id: out of range".to_owned(),
            })
        });
        counts.collect()
    }

    async fn holds(&mut self, origin: &Origin) -> Result<bool, SourceError> {
        super::holds(&mut self.leader, origin).await
    }

    async fn changes(&mut self, since: &Snapshot) -> Result<ChangeLog, SourceError> {
        let (xmax, in_progress) = log::unseen(since);
        let log = sqlx::query_as(log::UNSEEN).bind(xmax).bind(in_progress);
        let rows: Vec<(i32, i64, i64)> = log.fetch_all(&mut self.leader).await?;
        Ok(rows.into_iter().map(|(student, changed, token)| log::row(student, (changed, token))).collect())
    }

    async fn students(&mut self, ids: &[StudentId]) -> Result<Vec<Student>, SourceError> {
        let numbers = ids.iter().map(|id| super::signed(id.get())).collect::<Result<Vec<_>, _>>()?;
        let rows = sqlx::query(STUDENTS.as_str()).bind(numbers).fetch_all(&mut self.leader).await?;
        rows.iter().filter_map(|row| super::student_of(row).transpose()).collect()
    }

    async fn read(
        self: Box<Self>,
        ranges: Vec<RangeInclusive<u32>>,
        batches: mpsc::Sender<Vec<Student>>,
    ) -> Result<(), SourceError> {
        let connections = [self.leader].into_iter().chain(self.followers).collect();
        read(connections, &ranges, batches).await
    }
}
