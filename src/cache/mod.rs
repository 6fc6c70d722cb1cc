//! The live path's cache: the last document that was read of each changed student.
//!
//! A cache is never trusted to be fresh. Each entry carries the [`Standing`] it was read under, and whoever
//! looks it up compares that with what the change log says now: a stale entry cannot be served at all.

mod memory;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{changes::Standing, student::StudentId};

pub use memory::MemoryCache;

/// What was read of one student.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the change log said at the same instant.
    pub standing: Standing,
    /// The document, or `None` for a student who is not there.
    pub document: Option<Bytes>,
}

/// A cache of one entry per student, for one data set.
///
/// Entries may vanish at any time. A failing cache makes the live path slower, never wrong.
#[async_trait]
pub trait Cache: Send + Sync + fmt::Debug {
    /// The student's entry, whatever its standing.
    async fn get(&self, id: StudentId) -> Result<Option<Entry>, CacheError>;

    /// Puts the entry in the place of an older one.
    async fn put(&self, id: StudentId, entry: Entry) -> Result<(), CacheError>;
}

/// Why a cache did not answer.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The cache cannot be reached.
    #[error("the cache is not available: {0}")]
    Unavailable(String),
    /// The URL names no cache.
    #[error("{0:?} is not the URL of a cache; give memory:, the cache inside the program")]
    Url(String),
}

/// Opens the cache that `url` names: `memory:`.
pub fn connect(url: &str) -> Result<Arc<dyn Cache>, CacheError> {
    match url {
        "memory:" => Ok(Arc::new(MemoryCache::default())),
        _ => Err(CacheError::Url(url.to_owned())),
    }
}
