use std::time::Duration;

use sqlx::{
    PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::super::{Connections, SourceError};
use crate::rest::Rest;

/// Connections to take and give back.
#[derive(Debug)]
pub(super) struct Pool {
    connections: PgPool,
    /// How long a caller waits for a connection.
    patience: Duration,
    rest: Rest,
    /// What messages call the server.
    address: String,
}

/// A connection that was taken. It is closed where it is not given back. Either whoever asked did not wait for the
/// answer, which may never come over a network that was cut, and the pool would wait for it. Or the answer was an
/// error, which may be the same for ever: that of a statement prepared before a table was altered, say.
#[derive(Debug)]
pub(super) struct Taken {
    connection: PoolConnection<Postgres>,
    given_back: bool,
}

/// How long a server that gave no connection is left alone.
const REST: Duration = Duration::from_millis(200);

impl Pool {
    pub(super) fn new(options: PgPoolOptions, server: PgConnectOptions, address: String) -> Self {
        let patience = options.get_acquire_timeout();
        Self { connections: options.connect_lazy_with(server), patience, rest: Rest::of(REST), address }
    }

    pub(super) fn connections(&self) -> Connections {
        // Read one after the other: a connection that is taken meanwhile must not make less than nothing.
        let idle = self.connections.num_idle() as u64;
        let all = u64::from(self.connections.size());
        Connections {
            idle,
            in_use: all.saturating_sub(idle),
            most: u64::from(self.connections.options().get_max_connections()),
        }
    }

    pub(super) async fn take(&self) -> Result<Taken, SourceError> {
        if self.rest.lasts() {
            return Err(SourceError::Unavailable(format!(
                "{} gave no connection a moment ago",
                self.address
            )));
        }
        let connection = self.connections.acquire().await.map_err(|error| {
            self.rest.begin();
            match error {
                // For so long connections are tried again that were refused, and busy ones are waited for.
                sqlx::Error::PoolTimedOut => SourceError::Unavailable(format!(
                    "{} gave no connection within {} s",
                    self.address,
                    self.patience.as_secs_f64()
                )),
                error => error.into(),
            }
        })?;
        Ok(Taken { connection, given_back: false })
    }
}

impl Taken {
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Lets the next one have it.
    pub(super) fn give_back(mut self) {
        self.given_back = true;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.given_back {
            self.connection.close_on_drop();
        }
    }
}
