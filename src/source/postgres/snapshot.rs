use std::{ops::RangeInclusive, sync::LazyLock, time::Duration};

use async_trait::async_trait;
use sqlx::{Connection, PgConnection, Row};
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
    /// The name under which others see it as long as the leader's transaction lasts.
    exported: String,
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

    pub(super) async fn ping(&mut self) -> Result<(), SourceError> {
        Ok(self.leader.ping().await?)
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

/// Lets a transaction that has seen nothing yet see an exported snapshot. `false` where nobody holds it any more.
pub(super) async fn import(connection: &mut PgConnection, exported: &str) -> Result<bool, SourceError> {
    // It may come from elsewhere, and becomes part of a statement.
    if !exported.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return Err(SourceError::Unusable("that is not the name of an exported snapshot".to_owned()));
    }
    let import = format!("SET TRANSACTION SNAPSHOT '{exported}'");
    match sqlx::raw_sql(sqlx::AssertSqlSafe(import)).execute(connection).await {
        Ok(_) => Ok(true),
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The same for one that is held here.
async fn import_held(connection: &mut PgConnection, exported: &str) -> Result<(), SourceError> {
    match import(connection, exported).await? {
        true => Ok(()),
        false => Err(SourceError::Unavailable("the snapshot was lost while it was taken".to_owned())),
    }
}

/// What PostgreSQL says of a snapshot that is not there: invalid_parameter_value (22023) before 17 and undefined_object
/// (42704) from there on; object_not_in_prerequisite_state (55000) where its transaction ends just now; and
/// feature_not_supported (0A000) of one of another database.
fn is_gone(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| matches!(&*code, "22023" | "42704" | "55000" | "0A000"))
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
