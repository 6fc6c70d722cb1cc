use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Connection, PgConnection};
use tokio::{sync::Mutex, time::timeout};

use super::{
    super::{Leadership, SourceError},
    connect::{Purpose, Server},
};

/// A session that stands by: who asks every second needs no new connection each time.
#[derive(Debug, Default)]
pub(super) struct Candidate(Mutex<Option<PgConnection>>);

/// The key of the advisory lock that the leader's session holds: `resultsd` in ASCII. Such locks are of one database,
/// not of the whole cluster.
const KEY: i64 = 0x7265_7375_6c74_7364;

/// How long the database may take for an answer to the leader; with the pause before the question less than the ten
/// seconds after which the session ends, so that a leader who is cut off mostly knows before another one leads.
const PATIENCE: Duration = Duration::from_secs(5);

impl Candidate {
    pub(super) async fn lead(&self, server: &Server) -> Result<Option<Box<dyn Leadership>>, SourceError> {
        let mut waiting = self.0.lock().await;
        let mut session = match waiting.take() {
            Some(session) => session,
            None => server.connect(Purpose::Lead).await?,
        };
        let tried = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(KEY).fetch_one(&mut session);
        if timeout(PATIENCE, tried).await.map_err(late)?? {
            return Ok(Some(Box::new(Session(session))));
        }
        *waiting = Some(session);
        Ok(None)
    }
}

/// The session that leads. As long as it answers it holds the lock; when it is closed, the lock is free.
struct Session(PgConnection);

#[async_trait]
impl Leadership for Session {
    async fn hold(&mut self) -> Result<(), SourceError> {
        Ok(timeout(PATIENCE, self.0.ping()).await.map_err(late)??)
    }
}

fn late(_: tokio::time::error::Elapsed) -> SourceError {
    SourceError::Unavailable(format!("no answer within {} s", PATIENCE.as_secs()))
}
