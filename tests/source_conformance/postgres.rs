//! PostgreSQL: its way into the suite.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use results_day::source::{self, Source};
use sqlx::{Connection, PgConnection};

use crate::{Database, servers::Postgres};

/// A database in a cluster that all tests share.
pub(crate) struct PostgresDatabase {
    pub(crate) url: String,
}

/// The cluster that all tests share which leave it running.
static CLUSTER: LazyLock<Postgres> = LazyLock::new(Postgres::start);

impl PostgresDatabase {
    pub(crate) fn new() -> Self {
        Self { url: CLUSTER.database() }
    }

    /// A connection as whoever corrects marks has it.
    pub(crate) async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }
}

#[async_trait]
impl Database for PostgresDatabase {
    fn source(&self) -> Arc<dyn Source> {
        source::connect(&self.url).unwrap()
    }

    async fn edit(&self, sql: &str) {
        let mut connection = self.connection().await;
        let edited = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await;
        edited.unwrap_or_else(|error| panic!("{sql}: {error}"));
        connection.close().await.unwrap();
    }
}
