//! PostgreSQL: its way into the suite, and what the tests of it alone have in common.

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use results_day::source::{self, Source};
use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};

use crate::{Database, servers::Postgres};

/// A database of its own in a cluster.
pub(crate) struct PostgresDatabase {
    pub(crate) url: String,
}

/// The cluster that all tests share which leave it running.
pub(crate) static CLUSTER: LazyLock<Postgres> = LazyLock::new(Postgres::start);

impl PostgresDatabase {
    /// In the cluster that tests share.
    pub(crate) fn new() -> Self {
        Self::of(&CLUSTER)
    }

    pub(crate) fn of(cluster: &Postgres) -> Self {
        Self { url: cluster.database() }
    }

    /// The database's name, which no other has in any cluster of this process.
    pub(crate) fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap()
    }

    /// A connection as whoever corrects marks has it.
    pub(crate) async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    pub(crate) async fn corrector(&self) -> Corrector {
        Corrector::at(&self.url).await
    }
}

#[async_trait]
impl Database for PostgresDatabase {
    fn source(&self) -> Arc<dyn Source> {
        source::connect(&self.url).unwrap()
    }

    async fn edit(&self, sql: &str) {
        let mut corrector = self.corrector().await;
        corrector.run(sql).await;
        corrector.connection.close().await.unwrap();
    }
}

/// Somebody who corrects marks, in a session that goes on from statement to statement.
pub(crate) struct Corrector {
    pub(crate) connection: PgConnection,
    /// The process that serves the session.
    pub(crate) pid: i32,
}

impl Corrector {
    pub(crate) async fn at(url: &str) -> Self {
        // Whatever a test makes of the database's defaults, correcting goes on.
        let options = url.parse::<PgConnectOptions>().unwrap().options([("statement_timeout", "0")]);
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        let pid = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await.unwrap();
        Self { connection, pid }
    }

    /// Runs statements that cannot fail.
    pub(crate) async fn run(&mut self, sql: &str) {
        let run = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await;
        run.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Runs statements that may fail, and says with which SQLSTATE they did.
    pub(crate) async fn try_to(&mut self, sql: &str) -> Result<(), String> {
        let run = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await;
        let state = |error: sqlx::Error| match error.as_database_error().and_then(|error| error.code()) {
            Some(code) => code.into_owned(),
            None => panic!("{sql}: {error}"),
        };
        run.map(drop).map_err(state)
    }

    /// The one value that a query gives, as a text.
    pub(crate) async fn ask(&mut self, sql: &str) -> String {
        let sql = format!("SELECT coalesce(({sql})::text, '')");
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut self.connection).await.unwrap()
    }

    /// Begins a transaction, and gives it its number before it has written anything.
    pub(crate) async fn begin(&mut self) -> u64 {
        self.run("BEGIN").await;
        self.ask("pg_current_xact_id()").await.parse().unwrap()
    }

    /// Waits until a condition holds in the database.
    pub(crate) async fn until(&mut self, condition: &str) {
        let started = Instant::now();
        while self.ask(condition).await != "true" {
            assert!(started.elapsed() < Duration::from_secs(20), "in vain: {condition}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until the session of somebody else waits for a lock.
    pub(crate) async fn until_waiting(&mut self, pid: i32) {
        let waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid";
        self.until(&format!("EXISTS ({waiting} = {pid})")).await;
    }
}
