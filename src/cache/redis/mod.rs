//! The cache that all servers share: Redis 7.
//!
//! One hash for the students of a thousand ids, `results-day:<data set>:<renderer>:<id / 1000>`, with a field for each of
//! them, the id. Its value is two lines: the standing as JSON, and the document as it is, or nothing for a student
//! who is not there.

mod entry;
mod preload;

use std::time::Duration;

use async_trait::async_trait;
use redis::{
    AsyncCommands, Client, ConnectionInfo, IntoConnectionInfo, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use super::{Cache, CacheError, Entry};
use crate::{rest::Rest, student::StudentId};

pub use preload::{Preload, Preloaded, Thousand};

/// A Redis server. One connection is shared by everybody who asks: their commands are pipelined on it.
pub struct RedisCache {
    connection: ConnectionManager,
    rest: Rest,
}

/// A server in the same data centre answers in less than a millisecond. One that takes longer than this is slower
/// than the database behind it.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long a cache that failed is left alone.
const REST: Duration = Duration::from_millis(500);

impl RedisCache {
    pub(super) fn at_url(url: &str) -> Result<Self, CacheError> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(PATIENCE))
            .set_connection_timeout(Some(PATIENCE))
            .set_number_of_retries(0);
        let connection = ConnectionManager::new_lazy_with_config(client(url)?, config)?;
        Ok(Self { connection, rest: Rest::of(REST) })
    }

    /// Asks, unless the cache rests; and lets it rest if it does not answer.
    async fn ask<T>(&self, answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, CacheError> {
        if self.rest.lasts() {
            return Err(CacheError::Resting);
        }
        Ok(answer.await.inspect_err(|_| self.rest.begin())?)
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, data_set: &str, id: StudentId) -> Result<Option<Entry>, CacheError> {
        let mut connection = self.connection.clone();
        let value: Option<Vec<u8>> =
            self.ask(connection.hget(entry::key(data_set, entry::block(id)), id.get())).await?;
        // What no program of ours wrote is nothing.
        Ok(value.and_then(entry::decode))
    }

    async fn put(&self, data_set: &str, id: StudentId, entry: Entry) -> Result<(), CacheError> {
        let mut connection = self.connection.clone();
        let value = entry::encode(&entry);
        self.ask(connection.hset(entry::key(data_set, entry::block(id)), id.get(), value)).await
    }
}

impl std::fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisCache").finish_non_exhaustive()
    }
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
