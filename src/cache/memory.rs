use async_trait::async_trait;
use quick_cache::{Weighter, sync};

use super::{Cache, CacheError, Entry};
use crate::student::StudentId;

/// The cache inside the program: nothing to install, and gone with the process.
///
/// It holds one entry of a student, whatever data sets there are: a program serves one, and when that is replaced
/// by another the older entries are in nobody's way.
#[derive(Debug)]
pub(super) struct MemoryCache(sync::Cache<StudentId, Owned, Bytes>);

/// What all entries may weigh together: 20,000 corrected students, several times a bad year's.
const CAPACITY: u64 = 8 << 20;

/// An entry's share beside its document: key, data set, standing, the cache's own lists.
const OVERHEAD: u64 = 180;

/// An entry and the data set that it belongs to.
#[derive(Debug, Clone)]
struct Owned {
    data_set: Box<str>,
    entry: Entry,
}

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<StudentId, Owned> for Bytes {
    fn weight(&self, _: &StudentId, owned: &Owned) -> u64 {
        OVERHEAD + owned.entry.document.as_ref().map_or(0, |document| document.len() as u64)
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
    async fn get(&self, data_set: &str, id: StudentId) -> Result<Option<Entry>, CacheError> {
        let found = self.0.get(&id).filter(|owned| &*owned.data_set == data_set);
        Ok(found.map(|owned| owned.entry))
    }

    async fn put(&self, data_set: &str, id: StudentId, entry: Entry) -> Result<(), CacheError> {
        self.0.insert(id, Owned { data_set: data_set.into(), entry });
        Ok(())
    }
}
