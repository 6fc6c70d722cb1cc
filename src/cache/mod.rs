//! The live path's cache: the last document that was read of each changed student.
//!
//! A cache is never trusted to be fresh. Each entry carries the [`Standing`] it was read under, and whoever
//! looks it up compares that with what the change log says now: a stale entry cannot be served at all.
//! Every cache passes the same conformance suite, `tests/cache_conformance.rs`.

mod memory;
pub mod redis;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use memory::MemoryCache;
use redis::RedisCache;

use crate::{changes::Standing, student::StudentId};

/// What was read of one student.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the change log said at the same instant.
    pub standing: Standing,
    /// The document, or `None` for a student who is not there.
    pub document: Option<Bytes>,
}

/// A cache of one entry per student of each data set: a database that was seeded anew never meets what was read
/// from an older one.
///
/// Entries may vanish at any time. A failing cache makes the live path slower, never wrong.
#[async_trait]
pub trait Cache: Send + Sync + fmt::Debug {
    /// The student's entry, whatever its standing.
    async fn get(&self, data_set: &str, id: StudentId) -> Result<Option<Entry>, CacheError>;

    /// Puts the entry in the place of an older one.
    async fn put(&self, data_set: &str, id: StudentId, entry: Entry) -> Result<(), CacheError>;
}

/// Why a cache did not answer.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The cache cannot be reached, or not in time.
    #[error("the cache is not available: {0}")]
    Unavailable(String),
    /// The cache is left alone for a moment, because it failed just now.
    #[error("the cache failed a moment ago")]
    Resting,
    /// The URL names no cache.
    #[error("that is not the URL of a cache: {problem}; give {wanted}")]
    Url {
        /// What is wrong with it, without repeating it: it may hold a password.
        problem: String,
        /// What would be right.
        wanted: &'static str,
    },
}

/// Opens the cache that `url` names: `memory:` or `redis://:PASSWORD@HOST:PORT/DATABASE`. Nothing is asked yet.
/// Connections will belong to the runtime that this is called on.
pub fn connect(url: &str) -> Result<Arc<dyn Cache>, CacheError> {
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Arc::new(MemoryCache::default())),
        Some(("redis" | "rediss", _)) => Ok(Arc::new(RedisCache::at_url(url)?)),
        _ => Err(CacheError::Url {
            problem: "there is no such cache".to_owned(),
            wanted: "memory:, the cache inside the program, or redis://:PASSWORD@HOST:PORT/DATABASE",
        }),
    }
}
