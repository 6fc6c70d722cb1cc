use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, local::LocalFileSystem, memory::InMemory, path::Path};
use results_day::release::{Bucket, ReleaseStore};
use tempfile::TempDir;

/// A store, and a way round it to the objects.
pub(crate) struct Place {
    pub(crate) store: ReleaseStore,
    pub(crate) objects: Arc<dyn ObjectStore>,
    _directory: Option<TempDir>,
}

impl Place {
    pub(crate) fn memory() -> Self {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        Self { store: ReleaseStore::new(objects.clone(), "memory".to_owned()), objects, _directory: None }
    }

    pub(crate) fn directory() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let bucket: Bucket = directory.path().join("deep/bucket").display().to_string().parse().unwrap();
        let store = bucket.open().unwrap();
        let objects = LocalFileSystem::new_with_prefix(store.place()).unwrap();
        Self { store, objects: Arc::new(objects), _directory: Some(directory) }
    }

    pub(crate) async fn overwrite(&self, path: impl Into<Path>, bytes: impl Into<Bytes>) {
        self.objects.put(&path.into(), bytes.into().into()).await.unwrap();
    }
}

/// Runs one test over every kind of store.
pub(crate) async fn everywhere(test: impl AsyncFn(Place)) {
    test(Place::memory()).await;
    test(Place::directory()).await;
}
