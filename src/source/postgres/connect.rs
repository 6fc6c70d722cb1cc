use std::{str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions, Connection, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{super::SourceError, pool::Pool};
use crate::random;

/// How to reach a database.
#[derive(Debug, Clone)]
pub(super) struct Server {
    options: PgConnectOptions,
    place: String,
}

/// What a connection is for decides what the server does for it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Polling the change log.
    Log,
    /// Looking up one student.
    LookUp,
    /// Leading, or standing by to lead.
    Lead,
    /// Loading and publishing: statements that take as long as they take.
    Bulk,
}

/// The setting that holds a connection's name: whoever is answered under another name was connected anew.
pub(super) const CONNECTION: &str = "results_day.connection";

/// How long a connection for look-ups is used at most.
const LOOK_UP_LIFETIME: Duration = Duration::from_secs(30);

/// How long a connection may take that belongs to the caller.
const CONNECTING: Duration = Duration::from_secs(10);

/// How long a caller waits for a connection; of the look-ups, part of the patience that somebody has with an answer.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK_UP_PATIENCE: Duration = Duration::from_millis(1_500);

impl Server {
    pub(super) fn at_url(url: &str) -> Result<Self, SourceError> {
        // Not the error's own text alone: it does not say what a right URL looks like. Nor the URL: it has a password.
        let options = PgConnectOptions::from_str(url).map_err(|error| {
            SourceError::Unusable(format!(
                "the URL of the database: {error}; give postgres://USER:PASSWORD@HOST:PORT/NAME"
            ))
        })?;
        let place = format!(
            "postgres://{}@{}:{}/{}",
            options.get_username(),
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap_or(options.get_username())
        );
        Ok(Self { options: options.application_name("results-day").disable_statement_logging(), place })
    }

    /// What messages call the database: the URL without the password.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Connections that are made when they are needed and kept. Each gets a random name, [`CONNECTION`].
    pub(super) fn pool(&self, purpose: Purpose, connections: u32) -> Pool {
        let options = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(match purpose {
                Purpose::LookUp => LOOK_UP_PATIENCE,
                Purpose::Log | Purpose::Lead | Purpose::Bulk => PATIENCE,
            })
            .idle_timeout(None)
            .max_lifetime(match purpose {
                // After a fail-over the address leads elsewhere, while the old primary may go on answering.
                Purpose::LookUp => Some(LOOK_UP_LIFETIME),
                // Its connections are found out by what they say.
                Purpose::Log | Purpose::Lead | Purpose::Bulk => None,
            })
            .after_connect(|connection, _| {
                Box::pin(async move {
                    let name = sqlx::query("SELECT set_config($1, $2, false)");
                    name.bind(CONNECTION).bind(random::hex_u64()).execute(connection).await.map(drop)
                })
            });
        Pool::new(options, self.options_for(purpose), self.address())
    }

    /// One connection that belongs to the caller.
    pub(super) async fn connect(&self, purpose: Purpose) -> Result<PgConnection, SourceError> {
        let options = self.options_for(purpose);
        let connecting = tokio::time::timeout(CONNECTING, PgConnection::connect_with(&options)).await;
        let late = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        connecting.map_err(late).flatten().map_err(|error| match SourceError::from(error) {
            SourceError::Unavailable(problem) => {
                SourceError::Unavailable(format!("{}: {problem}", self.address()))
            }
            other => other,
        })
    }

    fn address(&self) -> String {
        format!("{}:{}", self.options.get_host(), self.options.get_port())
    }

    fn options_for(&self, purpose: Purpose) -> PgConnectOptions {
        // A role or a database may have other defaults: a search path that leads to other tables, say. And compiling a
        // statement takes longer than running any of ours.
        let options = self.options.clone().options([
            ("search_path", "public"),
            ("default_transaction_isolation", "read committed"),
            ("lock_timeout", "0"),
            ("jit", "off"),
            // A program whose machine vanished holds no lock for longer than a minute.
            ("tcp_keepalives_idle", "30"),
            ("tcp_keepalives_interval", "10"),
            ("tcp_keepalives_count", "3"),
        ]);
        match purpose {
            // The planner does not know that almost all of the log lies before what is asked for, so it is told to use
            // the index. A generic plan is planned once: 0.05 ms a poll instead of 0.7.
            Purpose::Log => options.options([
                ("plan_cache_mode", "force_generic_plan"),
                ("enable_seqscan", "off"),
                ("enable_bitmapscan", "off"),
                ("statement_timeout", "10s"),
            ]),
            // A look-up that nobody waits for any more must not go on waiting for somebody's lock.
            Purpose::LookUp => {
                options.options([("plan_cache_mode", "force_generic_plan"), ("statement_timeout", "2s")])
            }
            // The session is the lead: it ends within ten seconds of the last sign of whoever has it.
            Purpose::Lead => options.options([
                ("idle_session_timeout", "10s"),
                ("statement_timeout", "5s"),
                ("tcp_keepalives_idle", "4"),
                ("tcp_keepalives_interval", "2"),
                ("tcp_keepalives_count", "3"),
            ]),
            Purpose::Bulk => {
                options.options([("statement_timeout", "0"), ("idle_in_transaction_session_timeout", "0")])
            }
        }
    }
}
