use std::{ops::RangeInclusive, sync::LazyLock, time::Duration};

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
}

/// Streams that read at once. Two took 0.64 s for a nation where one took 1.13; more than the database has
/// processors to spare gain nothing.
const STREAMS: usize = 2;

/// How long the tables' lock is waited for, again and again, up to [`TRIES`] times. Not longer at once: a TRUNCATE
/// that waits for the lock of our first connection lets no other of ours pass, and the database cannot know that
/// they belong together.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '1s'";
const TRIES: u32 = 30;

/// Between two tries, so that whoever waited for our lock gets it.
const PAUSE: Duration = Duration::from_millis(100);

const LOCK: &str = "LOCK TABLE students, natural_science_results, social_science_results, changes, data_set \
                    IN ACCESS SHARE MODE";

/// Students picked out by their ids.
static STUDENTS: LazyLock<String> = LazyLock::new(|| {
    format!("SELECT {} FROM students AS s {RESULTS} WHERE s.id = ANY ($1) ORDER BY s.id", *COLUMNS)
});

impl PostgresSnapshot {
    pub(super) async fn take(server: &Server) -> Result<Self, SourceError> {
        let mut leader = server.connect(Purpose::Bulk).await?;
        let mut followers = Vec::new();
        for _ in 1..STREAMS {
            followers.push(server.connect(Purpose::Bulk).await?);
        }
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
            import(follower, &exported).await?;
        }
        let origin = Origin {
            data_set: row.try_get(4)?,
            system: row.try_get(3)?,
            token: commit_token(server, &exported).await?,
            snapshot: log::parse(row.try_get(1)?)?,
        };
        Ok(Self { leader, followers, origin })
    }
}

/// Commits a token behind the snapshot: whoever holds it holds everything that was committed before it, and so the
/// snapshot. It is committed under that snapshot, which no other server can import: after a fail-over the token would
/// vouch for a database that lacks what the snapshot saw.
async fn commit_token(server: &Server, exported: &str) -> Result<String, SourceError> {
    let token = random::hex_u64();
    let mut writer = server.connect(Purpose::Bulk).await?;
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ").execute(&mut writer).await?;
    import(&mut writer, exported).await?;
    sqlx::query("INSERT INTO release_tokens VALUES ($1)").bind(&token).execute(&mut writer).await?;
    sqlx::raw_sql("COMMIT").execute(&mut writer).await?;
    Ok(token)
}

async fn import(connection: &mut PgConnection, exported: &str) -> Result<(), SourceError> {
    let import = format!("SET TRANSACTION SNAPSHOT '{exported}'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(import)).execute(connection).await?;
    Ok(())
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

/// Begins a transaction on each connection and locks the tables in it. No snapshot is taken yet.
async fn lock_tables(leader: &mut PgConnection, followers: &mut [PgConnection]) -> Result<(), SourceError> {
    let mut connections: Vec<_> = [leader].into_iter().chain(followers).collect();
    let mut tries = 1;
    loop {
        match try_to_lock_tables(&mut connections).await {
            Err(error) if tries < TRIES && is_lock_timeout(&error) => {}
            locked => return Ok(locked?),
        }
        for connection in &mut connections {
            sqlx::raw_sql("ROLLBACK").execute(&mut **connection).await?;
        }
        tokio::time::sleep(PAUSE).await;
        tries += 1;
    }
}

async fn try_to_lock_tables(connections: &mut [&mut PgConnection]) -> Result<(), sqlx::Error> {
    for connection in connections {
        for statement in ["BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", LOCK_TIMEOUT, LOCK] {
            sqlx::raw_sql(statement).execute(&mut **connection).await?;
        }
    }
    Ok(())
}

/// lock_not_available (55P03).
fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "55P03")
}
