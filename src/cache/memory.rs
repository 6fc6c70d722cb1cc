use async_trait::async_trait;
use quick_cache::{Weighter, sync};

use super::{Cache, CacheError, Entry};
use crate::student::StudentId;

/// The cache inside the program: nothing to install, and gone with the process.
#[derive(Debug)]
pub struct MemoryCache(sync::Cache<StudentId, Entry, Bytes>);

/// What all entries may weigh together: 20,000 corrected students, several times a bad year's.
const CAPACITY: u64 = 8 << 20;

/// An entry's share beside its document: key, standing, the cache's own lists.
const OVERHEAD: u64 = 120;

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<StudentId, Entry> for Bytes {
    fn weight(&self, _: &StudentId, entry: &Entry) -> u64 {
        OVERHEAD + entry.document.as_ref().map_or(0, |document| document.len() as u64)
    }
}

impl Default for MemoryCache {
    fn default() -> Self {
        let typical = CAPACITY / (OVERHEAD + 300);
        Self(sync::Cache::with_weighter(typical as usize, CAPACITY, Bytes))
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, id: StudentId) -> Result<Option<Entry>, CacheError> {
        Ok(self.0.get(&id))
    }

    async fn put(&self, id: StudentId, entry: Entry) -> Result<(), CacheError> {
        self.0.insert(id, entry);
        Ok(())
    }
}
