//! The cache that all servers share: Redis 7.
//!
//! One hash for the students of a thousand ids, `results-day:<data set>:<renderer>:<id / 1000>`, with a field for each of
//! them, the id. Its value is two lines: the standing as JSON, and the document as it is, or nothing for a student
//! who is not there.

mod entry;
mod preload;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use redis::{
    AsyncCommands, Client, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use super::{Cache, CacheError, Entry};
use crate::{rest::Rest, student::StudentId};

pub use preload::{Preload, Preloaded, Thousand};

/// A Redis server. One connection is shared by everybody who asks: their commands are pipelined on it.
pub struct RedisCache {
    client: Client,
    connection: Mutex<ConnectionManager>,
    rest: Rest,
}

/// A server in the same data centre answers in less than a millisecond. One that takes longer than this is slower
/// than the database behind it.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long a cache that failed is left alone.
const REST: Duration = Duration::from_millis(500);

impl RedisCache {
    pub(super) fn at_url(url: &str) -> Result<Self, CacheError> {
        let client = client(url)?;
        let connection = Mutex::new(connection(&client)?);
        Ok(Self { client, connection, rest: Rest::of(REST) })
    }

    /// Asks, unless the cache rests; and lets it rest if it does not answer. An answer that refuses is one.
    async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(ConnectionManager) -> Result<T, RedisError>,
    ) -> Result<T, CacheError> {
        if self.rest.lasts() {
            return Err(CacheError::Resting);
        }
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let answer = question(connection).await;
        if let Err(error) = &answer
            && !is_an_answer(error)
        {
            self.rest.begin();
            self.begin_anew()?;
        }
        Ok(answer?)
    }

    /// The next question is asked on another connection. One that was not made, because the server refused who came,
    /// would be refused for ever.
    fn begin_anew(&self) -> Result<(), CacheError> {
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = connection(&self.client)?;
        Ok(())
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, data_set: &str, id: StudentId) -> Result<Option<Entry>, CacheError> {
        let key = entry::key(data_set, entry::block(id));
        let value: Option<Vec<u8>> =
            self.ask(async |mut connection| connection.hget(key, id.get()).await).await?;
        // What no program of ours wrote is nothing.
        Ok(value.and_then(entry::decode))
    }

    async fn put(&self, data_set: &str, id: StudentId, entry: Entry) -> Result<(), CacheError> {
        let (key, value) = (entry::key(data_set, entry::block(id)), entry::encode(&entry));
        self.ask(async |mut connection| connection.hset(key, id.get(), value).await).await
    }
}

impl std::fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisCache").finish_non_exhaustive()
    }
}

/// A connection that is made when somebody asks.
fn connection(client: &Client) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(PATIENCE))
        .set_connection_timeout(Some(PATIENCE))
        .set_number_of_retries(0);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

/// Whether it is what the server had to say to a question: that it is full, or a replica now. Others it may answer.
fn is_an_answer(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
}

fn client(url: &str) -> Result<Client, CacheError> {
    let at_once = |server: ConnectionInfo| {
        // A small command does not wait for the answer to the one before it.
        let settings = server.tcp_settings().clone().set_nodelay(true);
        Client::open(server.set_tcp_settings(settings))
    };
    url.into_connection_info().and_then(at_once).map_err(|error| CacheError::Url {
        problem: error.to_string(),
        wanted: "redis://:PASSWORD@HOST:PORT/DATABASE, or rediss:// for TLS",
    })
}

impl From<RedisError> for CacheError {
    fn from(error: RedisError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
