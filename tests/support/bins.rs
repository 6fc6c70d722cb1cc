use std::{
    fs,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path};
use results_day::release::{Bucket, Commit, Manifest, ReleaseStore, ShardEntry, Spared};
use tempfile::TempDir;

use super::{
    ids::id,
    manifests::{entry, manifest},
    shards::{blob, document},
    ticking_store::TickingStore,
};

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// A store to collect from, in which time passes as the test wants it to.
pub(crate) struct Bin {
    pub(crate) kind: &'static str,
    pub(crate) store: ReleaseStore,
    pub(crate) objects: Arc<dyn ObjectStore>,
    time: Time,
}

enum Time {
    Ticking(Arc<TickingStore>),
    Files(TempDir),
}

/// So many releases, and so many seconds.
pub(crate) fn spared(releases: usize, grace: u64) -> Spared {
    Spared { releases, grace: Duration::from_secs(grace) }
}

/// Runs one test over memory and over a directory.
pub(crate) async fn everywhere(test: impl AsyncFn(Bin)) {
    for bin in [Bin::memory(), Bin::directory()] {
        println!("over {}", bin.kind);
        test(bin).await;
    }
}

impl Bin {
    fn memory() -> Self {
        let objects = TickingStore::new();
        let store = ReleaseStore::new(objects.clone(), "memory".to_owned());
        Self { kind: "memory", store, objects: objects.clone(), time: Time::Ticking(objects) }
    }

    fn directory() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bucket: Bucket = folder.path().display().to_string().parse().unwrap();
        let store = bucket.open_to_change().unwrap();
        let objects = Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap());
        Self { kind: "a directory", store, objects, time: Time::Files(folder) }
    }

    /// The directory, where it is one.
    pub(crate) fn folder(&self) -> Option<&FilePath> {
        match &self.time {
            Time::Files(folder) => Some(folder.path()),
            Time::Ticking(_) => None,
        }
    }

    /// Lets time pass: everything that is there gets older.
    pub(crate) async fn pass(&self, span: Duration) {
        match &self.time {
            Time::Ticking(objects) => objects.pass(span),
            Time::Files(folder) => files(folder.path()).iter().for_each(|path| {
                let file = fs::File::options().append(true).open(path).unwrap();
                let written = file.metadata().unwrap().modified().unwrap();
                let age = SystemTime::now().duration_since(written).unwrap_or_default() + span;
                file.set_modified(SystemTime::now() - age).unwrap();
            }),
        }
    }

    /// A release on top of the current one, with a blob that everybody shares and one of its own.
    pub(crate) async fn release(&self, number: u64) -> (Manifest, Vec<(ShardEntry, Bytes)>) {
        let own = u32::try_from(number).unwrap();
        let shards: Vec<_> = [(1, 9), (1_000, 1_010 + own)]
            .into_iter()
            .map(|(first, last)| {
                let blob = blob((first..=last).map(|number| (id(number), document(id(number)))));
                (entry(&blob, last - first + 1, id(first), id(last)), blob)
            })
            .collect();
        let current = self.store.current().await.unwrap();
        let release = Manifest {
            oldest: current.map_or(super::manifests::release(1), |current| current.oldest),
            ..manifest(number, shards.iter().map(|(entry, _)| entry.clone()).collect())
        };
        (release, shards)
    }

    /// Publishes [`release`](Self::release).
    pub(crate) async fn publish(&self, number: u64) {
        let (manifest, shards) = self.release(number).await;
        for (entry, blob) in shards {
            self.store.put_shard(&entry.key, blob).await.unwrap();
        }
        assert_eq!(self.store.commit(&manifest).await.unwrap(), Commit::Won);
    }

    /// What a publisher left that died before its commit.
    pub(crate) async fn orphan(&self, name: &str) {
        self.objects.put(&format!("shards/9/{name}.json.zst").into(), "blob".into()).await.unwrap();
    }

    pub(crate) async fn bytes(&self, path: &Path) -> Bytes {
        self.objects.get(path).await.unwrap().bytes().await.unwrap()
    }

    /// All objects and their bytes, in order.
    pub(crate) async fn everything(&self) -> Vec<(ObjectMeta, Bytes)> {
        let mut objects: Vec<_> = self.objects.list(None).try_collect().await.unwrap();
        objects.sort_by(|a: &ObjectMeta, b| a.location.cmp(&b.location));
        let mut everything = Vec::new();
        for object in objects {
            let bytes = self.bytes(&object.location).await;
            everything.push((object, bytes));
        }
        everything
    }

    /// The names that start like this.
    pub(crate) async fn names(&self, start: &str) -> Vec<String> {
        let everything = self.everything().await;
        let names = everything.into_iter().map(|(object, _)| object.location.to_string());
        names.filter(|name| name.starts_with(start)).collect()
    }

    /// Reads every release that is kept.
    pub(crate) async fn is_whole(&self) {
        for manifest in self.store.kept().await.unwrap() {
            self.store.verify(manifest.number).await.unwrap();
        }
    }
}

fn files(folder: &FilePath) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
