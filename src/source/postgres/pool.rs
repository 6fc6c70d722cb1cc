use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};

use super::{super::SourceError, connect::PATIENCE};

/// Connections to take and give back.
#[derive(Debug)]
pub(super) struct Pool {
    connections: PgPool,
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

impl Pool {
    pub(super) fn new(connections: PgPool, address: String) -> Self {
        Self { connections, address }
    }

    pub(super) async fn take(&self) -> Result<Taken, SourceError> {
        let connection = self.connections.acquire().await.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => SourceError::Unavailable(format!(
                "{} gave no connection within {} s",
                self.address,
                PATIENCE.as_secs()
            )),
            error => error.into(),
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
