use std::time::Duration;

use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};

use super::{super::CacheError, client, entry};
use crate::{
    changes::{Change, Standing},
    student::StudentId,
};

/// Fills a Redis with the documents of a whole data set.
///
/// A preload that died is taken up by the next one: thousands whose entries are all there are skipped.
#[derive(Clone)]
pub struct Preload {
    connection: MultiplexedConnection,
    data_set: String,
    /// The last change of everything: what was loaded before it is stale as a whole.
    state: String,
}

/// The entries of one thousand on their way into the cache.
pub struct Thousand {
    command: redis::Cmd,
    entries: usize,
    /// The value at hand; kept, because a nation has one for everybody.
    value: Vec<u8>,
}

/// How far an earlier preload of the same state came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preloaded {
    /// All the way.
    Complete,
    /// The thousands that it left out, of those that were asked about.
    Missing(Vec<u32>),
}

/// Bulk commands take as long as they take; one that takes this long will not come back.
const PATIENCE: Duration = Duration::from_secs(30);

/// An entry has about 340 bytes; a long name may have more.
const ENTRY: usize = 400;

/// What the preload's own key holds in front of the state.
const LOADING: &str = "loading";
const COMPLETE: &str = "complete";

impl Preload {
    /// Connects, for loading a data set whose log has this change of everything.
    pub async fn connect(url: &str, data_set: &str, everything: Option<Change>) -> Result<Self, CacheError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connection = client(url)?.get_multiplexed_async_connection_with_config(&config).await?;
        let state =
            everything.map_or_else(String::new, |change| format!("{} {}", change.transaction, change.token));
        Ok(Self { connection, data_set: data_set.to_owned(), state })
    }

    /// Whether nothing is left to do.
    pub async fn is_complete(&mut self) -> Result<bool, CacheError> {
        Ok(self.marker().await? == Some(self.marker_of(COMPLETE)))
    }

    /// Begins, or takes up what an earlier preload began. `census` says how many students each thousand has.
    pub async fn begin(&mut self, census: &[(u32, u32)]) -> Result<Preloaded, CacheError> {
        let marker = self.marker().await?;
        if marker == Some(self.marker_of(COMPLETE)) {
            return Ok(Preloaded::Complete);
        }
        if marker != Some(self.marker_of(LOADING)) {
            // What is there is of another state: it can't be served, and must not be counted.
            let mut forget = redis::pipe();
            for (block, _) in census {
                forget.unlink(entry::key(&self.data_set, *block)).ignore();
            }
            forget.exec_async(&mut self.connection).await?;
            self.mark(LOADING).await?;
            return Ok(Preloaded::Missing(census.iter().map(|(block, _)| *block).collect()));
        }
        let mut lengths = redis::pipe();
        for (block, _) in census {
            lengths.hlen(entry::key(&self.data_set, *block));
        }
        let lengths: Vec<u32> = lengths.query_async(&mut self.connection).await?;
        let missing = census.iter().zip(lengths).filter(|((_, students), there)| there < students);
        Ok(Preloaded::Missing(missing.map(|((block, _), _)| *block).collect()))
    }

    /// The entries of one thousand, to be filled with so many students and then [put](Self::put).
    pub fn thousand(&self, block: u32, students: usize) -> Thousand {
        let mut command = redis::Cmd::with_capacity(2 + 2 * students, students * ENTRY);
        command.arg("HSET").arg(entry::key(&self.data_set, block));
        Thousand { command, entries: 0, value: Vec::new() }
    }

    /// Puts the entries of one thousand, in one command.
    pub async fn put(&mut self, thousand: Thousand) -> Result<(), CacheError> {
        if thousand.entries == 0 {
            return Ok(());
        }
        Ok(thousand.command.query_async(&mut self.connection).await?)
    }

    /// Says that everything is loaded.
    pub async fn finish(&mut self) -> Result<(), CacheError> {
        self.mark(COMPLETE).await
    }

    async fn marker(&mut self) -> Result<Option<String>, CacheError> {
        let key = entry::preload_key(&self.data_set);
        Ok(redis::cmd("GET").arg(key).query_async(&mut self.connection).await?)
    }

    async fn mark(&mut self, progress: &str) -> Result<(), CacheError> {
        let (key, marker) = (entry::preload_key(&self.data_set), self.marker_of(progress));
        Ok(redis::cmd("SET").arg(key).arg(marker).query_async(&mut self.connection).await?)
    }

    fn marker_of(&self, progress: &str) -> String {
        format!("{progress} {}", self.state)
    }
}

impl Thousand {
    /// Adds a student's entry; `render` appends the document.
    pub fn add(&mut self, id: StudentId, standing: &Standing, render: impl FnOnce(&mut Vec<u8>)) {
        self.value.clear();
        entry::write(standing, render, &mut self.value);
        self.command.arg(id.get()).arg(&self.value);
        self.entries += 1;
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }
}
