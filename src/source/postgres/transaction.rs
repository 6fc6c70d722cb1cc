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

/// What PostgreSQL says of a snapshot that is not there: invalid_parameter_value (22023) before 17 and undefined_object
/// (42704) from there on; object_not_in_prerequisite_state (55000) where its transaction ends just now; and
/// feature_not_supported (0A000) of one of another database.
fn is_gone(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| matches!(&*code, "22023" | "42704" | "55000" | "0A000"))
}
