//! How a transaction begins that reads what is published.

use std::time::Duration;

use sqlx::PgConnection;

use super::super::SourceError;

/// How long the tables' lock is waited for, again and again, up to [`TRIES`] times. Not longer at once: a TRUNCATE
/// that waits for the lock of our first connection lets no other of ours pass, and the database cannot know that
/// they belong together.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '1s'";
const TRIES: u32 = 30;

/// Between two tries, so that whoever waited for our lock gets it.
const PAUSE: Duration = Duration::from_millis(100);

const LOCK: &str = "LOCK TABLE students, natural_science_results, social_science_results, changes, data_set \
                    IN ACCESS SHARE MODE";

/// Begins a transaction on each connection and locks the tables in it. No snapshot is taken yet.
pub(super) async fn lock_tables(
    leader: &mut PgConnection,
    followers: &mut [PgConnection],
) -> Result<(), SourceError> {
    let mut connections: Vec<_> = [leader].into_iter().chain(followers).collect();
    let mut tries = 1;
    loop {
        let mut begun = 0;
        match try_to_lock_tables(&mut connections, &mut begun).await {
            Err(error) if is_lock_timeout(&error) && tries < TRIES => {}
            Err(error) if is_lock_timeout(&error) => {
                return Err(SourceError::Unavailable(format!(
                    "{error}, {TRIES} times: somebody locks the tables, or waits to lock them until a publication has \
                     ended, most likely for a TRUNCATE; let it end, or give it a lock_timeout"
                )));
            }
            locked => return Ok(locked?),
        }
        for connection in connections.iter_mut().take(begun) {
            sqlx::raw_sql("ROLLBACK").execute(&mut **connection).await?;
        }
        tokio::time::sleep(PAUSE).await;
        tries += 1;
    }
}

/// Whether somebody has waited for so long to have one of the tables alone: until then nobody else gets its lock, the
/// look-ups and those who are to read the same snapshot included.
pub(super) async fn is_waited_for(connection: &mut PgConnection) -> Result<bool, SourceError> {
    let asked = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_locks \
         WHERE NOT granted AND mode = 'AccessExclusiveLock' AND waitstart < clock_timestamp() - interval '10 s' \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND relation IN ('students'::regclass, 'natural_science_results'::regclass, \
                          'social_science_results'::regclass, 'changes'::regclass, 'data_set'::regclass))",
    );
    Ok(asked.fetch_one(connection).await?)
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

/// Counts the transactions that it begins.
async fn try_to_lock_tables(
    connections: &mut [&mut PgConnection],
    begun: &mut usize,
) -> Result<(), sqlx::Error> {
    for connection in connections {
        *begun += 1;
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

/// What PostgreSQL says of a snapshot that is not there: invalid_parameter_value (22023) before 17 and undefined_object
/// (42704) from there on; object_not_in_prerequisite_state (55000) where its transaction ends just now; and
/// feature_not_supported (0A000) of one of another database.
fn is_gone(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| matches!(&*code, "22023" | "42704" | "55000" | "0A000"))
}
