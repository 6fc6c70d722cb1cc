use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicU32, Ordering},
};

use bytes::Bytes;
use object_store::{
    ObjectStore, ObjectStoreExt, local::LocalFileSystem, memory::InMemory, path::Path, prefix::PrefixStore,
};
use results_day::release::{Bucket, ReleaseStore};
use tempfile::TempDir;

use super::servers::{Minio, SeaweedFs, s3};

/// A store, and a way round it to the objects.
pub(crate) struct Place {
    pub(crate) kind: &'static str,
    pub(crate) store: ReleaseStore,
    pub(crate) objects: Arc<dyn ObjectStore>,
    _directory: Option<TempDir>,
}

/// The bucket that all tests share. Each has a prefix of its own in it.
const BUCKET: &str = "results";

/// The servers that all tests share, started for the first that asks.
static MINIO: LazyLock<Minio> = LazyLock::new(|| {
    let minio = Minio::start();
    minio.create(BUCKET);
    minio
});
static SEAWEEDFS: LazyLock<SeaweedFs> = LazyLock::new(|| {
    let seaweedfs = SeaweedFs::start();
    seaweedfs.create(BUCKET);
    seaweedfs
});

impl Place {
    pub(crate) fn memory() -> Self {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        Self {
            kind: "memory",
            store: ReleaseStore::new(objects.clone(), "memory".to_owned()),
            objects,
            _directory: None,
        }
    }

    pub(crate) fn directory() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let bucket: Bucket = directory.path().join("deep/bucket").display().to_string().parse().unwrap();
        let store = bucket.open().unwrap();
        let objects = LocalFileSystem::new_with_prefix(store.place()).unwrap();
        Self { kind: "a directory", store, objects: Arc::new(objects), _directory: Some(directory) }
    }

    pub(crate) fn minio() -> Self {
        Self::s3("MinIO", MINIO.port())
    }

    pub(crate) fn seaweedfs() -> Self {
        Self::s3("SeaweedFS", SEAWEEDFS.port())
    }

    fn s3(kind: &'static str, port: u16) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let prefix = format!("tests/{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let objects: Arc<dyn ObjectStore> =
            Arc::new(PrefixStore::new(s3::objects(port, BUCKET), prefix.clone()));
        Self {
            kind,
            store: ReleaseStore::new(objects.clone(), format!("s3://{BUCKET}/{prefix}")),
            objects,
            _directory: None,
        }
    }

    pub(crate) async fn overwrite(&self, path: impl Into<Path>, bytes: impl Into<Bytes>) {
        self.objects.put(&path.into(), bytes.into().into()).await.unwrap();
    }
}

/// Runs one test over every kind of store.
pub(crate) async fn everywhere(test: impl AsyncFn(Place)) {
    for place in [Place::memory, Place::directory, Place::minio, Place::seaweedfs] {
        let place = place();
        // What a failure is about is the last thing in the test's output.
        println!("over {}", place.kind);
        test(place).await;
    }
}
