use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, path::Path};

use super::{
    Digest, Manifest, ManifestError, ReleaseError, ReleaseNumber, ShardEntry, ShardKey,
    retry::{BLIP, retried},
};
use crate::shard::Shard;

/// The releases and shards in one bucket.
///
/// Reading may be done by any number of programs at once, and so may publishing: shards are named by the try
/// that writes them, and [`commit`](Self::commit) lets one of several rivals win.
#[derive(Debug, Clone)]
pub struct ReleaseStore {
    pub(super) objects: Arc<dyn ObjectStore>,
    place: String,
    directory: Option<PathBuf>,
}

/// A nation's manifest has about 120 KB; one of this size is hostile.
const MAX_MANIFEST: u64 = 256 << 20;

/// Manifests read at once.
const AT_ONCE: usize = 8;

/// How long a blob is put again: a store that restarts is away by the next put, and is then waited for below us.
const RESTART: Duration = Duration::from_secs(10);

impl ReleaseStore {
    /// The releases in `objects`; `place` is what messages call it.
    pub fn new(objects: Arc<dyn ObjectStore>, place: String) -> Self {
        Self { objects, place, directory: None }
    }

    /// The releases in a directory that `objects` shows.
    pub(super) fn in_directory(objects: Arc<dyn ObjectStore>, directory: PathBuf) -> Self {
        Self { directory: Some(directory.clone()), ..Self::new(objects, directory.display().to_string()) }
    }

    /// The directory, where the store is one.
    pub(super) fn directory(&self) -> Option<&std::path::Path> {
        self.directory.as_deref()
    }

    /// What messages call the store.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The current release, if there is one: that with the greatest number.
    ///
    /// A listing may lag behind what was committed, so the numbers behind the greatest one that it shows are asked
    /// for: none is ever free again.
    pub async fn current(&self) -> Result<Option<Manifest>, ReleaseError> {
        let listed = self.greatest_listed().await?;
        let mut number = listed.unwrap_or(ReleaseNumber::FIRST);
        let mut current = match self.manifest(number).await {
            Ok(None) => return listed.map_or(Ok(None), |listed| Err(ReleaseError::Absent(listed))),
            // Only a listing that lags far behind shows no release that is kept.
            Err(ReleaseError::Collected { .. }) => None,
            found => found?,
        };
        while number.next() > number {
            number = number.next();
            match self.manifest(number).await {
                Ok(None) => break,
                Err(ReleaseError::Collected { .. }) => {}
                found => current = found?,
            }
        }
        current.map(Some).ok_or(ReleaseError::Absent(number))
    }

    /// The manifests of all releases that are kept, the current one last.
    pub async fn kept(&self) -> Result<Vec<Manifest>, ReleaseError> {
        loop {
            let Some(current) = self.current().await? else { return Ok(Vec::new()) };
            match self.kept_by(&current).await {
                // A collector has taken one of them away since.
                Err(ReleaseError::Collected { .. }) if !self.is_current(&current).await? => {}
                kept => return kept,
            }
        }
    }

    /// Whether no other release is current by now.
    pub(super) async fn is_current(&self, manifest: &Manifest) -> Result<bool, ReleaseError> {
        Ok(self.current().await?.is_some_and(|current| current.number == manifest.number))
    }

    /// The manifests of the releases that `current` keeps, itself included.
    pub async fn kept_by(&self, current: &Manifest) -> Result<Vec<Manifest>, ReleaseError> {
        let before = std::iter::successors(Some(current.oldest), |number| Some(number.next()))
            .take_while(|number| *number < current.number);
        let before = stream::iter(before)
            .map(|number| async move { self.manifest(number).await?.ok_or(ReleaseError::Absent(number)) });
        let mut kept: Vec<_> = before.buffered(AT_ONCE).try_collect().await?;
        kept.push(current.clone());
        Ok(kept)
    }

    /// Those of the releases that `current` keeps which can tell the hour of a data set, `current` last. Where that is of
    /// the data set it is the only one: another one's manifest that is broken is then in nobody's way.
    pub async fn kept_of(&self, data_set: &str, current: &Manifest) -> Result<Vec<Manifest>, ReleaseError> {
        match current.source.data_set == data_set {
            true => Ok(vec![current.clone()]),
            false => self.kept_by(current).await,
        }
    }

    async fn greatest_listed(&self) -> Result<Option<ReleaseNumber>, ReleaseError> {
        let listed = self.list(ReleaseNumber::FOLDER).await?;
        Ok(listed.iter().filter_map(|object| ReleaseNumber::at(&object.location)).max())
    }

    /// Everything in a folder.
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<ObjectMeta>, ReleaseError> {
        let path = Path::from(folder);
        retried(BLIP, || async {
            let listed = self.objects.list(Some(&path)).try_collect().await;
            listed.map_err(ReleaseError::store("listing", folder))
        })
        .await
    }

    /// The manifest of a release, if there is such a release.
    pub async fn manifest(&self, number: ReleaseNumber) -> Result<Option<Manifest>, ReleaseError> {
        retried(BLIP, || self.manifest_once(number)).await
    }

    async fn manifest_once(&self, number: ReleaseNumber) -> Result<Option<Manifest>, ReleaseError> {
        let key = number.path();
        let found = match self.objects.get(&key).await {
            Err(Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(ReleaseError::store("reading", &key))?,
        };
        if found.meta.size > MAX_MANIFEST {
            return Err(ReleaseError::Different {
                key: key.to_string(),
                problem: format!("{} bytes are more than any manifest has", found.meta.size),
            });
        }
        let json = found.bytes().await.map_err(ReleaseError::store("reading", &key))?;
        match Manifest::from_json(number, &json) {
            Ok(manifest) => Ok(Some(manifest)),
            Err(ManifestError::Collected(collected)) => Err(ReleaseError::Collected { number, collected }),
            Err(error) => Err(ReleaseError::Manifest { key: key.to_string(), error }),
        }
    }

    /// The shards of a release whose blobs the store does not list with the length that they have.
    pub async fn missing(&self, manifest: &Manifest) -> Result<Vec<ShardKey>, ReleaseError> {
        let listed = self.list(ShardKey::FOLDER).await?;
        let listed: HashMap<Path, u64> =
            listed.into_iter().map(|object| (object.location, object.size)).collect();
        let missing =
            manifest.shards.iter().filter(|shard| listed.get(&shard.key.path()) != Some(&shard.bytes));
        Ok(missing.map(|shard| shard.key.clone()).collect())
    }

    /// Uploads a shard and compares what the store has then with what was sent. When this returns, the blob
    /// is durable as far as the store promises it.
    ///
    /// A store that restarts cuts puts off. Nobody else writes to the key, so they are simply made again.
    pub async fn put_shard(&self, key: &ShardKey, blob: Bytes) -> Result<(), ReleaseError> {
        retried(RESTART, || self.put_shard_once(key, blob.clone())).await
    }

    /// What counts is what lies there afterwards: our own put may have been retried below us, and one that failed may
    /// have been done all the same.
    async fn put_shard_once(&self, key: &ShardKey, blob: Bytes) -> Result<(), ReleaseError> {
        let path = key.path();
        let failure = match self.create(&path, blob.clone()).await {
            Ok(()) | Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => None,
            Err(error) => Some(ReleaseError::store("writing", key)(error)),
        };
        let stored = match (self.objects.get(&path).await, failure) {
            (Err(Error::NotFound { .. }), Some(failure)) => return Err(failure),
            // Taken away since, by a collection to which it looked like litter; or a store that lags.
            (Err(Error::NotFound { .. }), None) => {
                let problem = "it was written and is not there".to_owned();
                return Err(ReleaseError::Different { key: key.to_string(), problem });
            }
            (stored, _) => stored.map_err(ReleaseError::store("reading back", key))?,
        };
        let stored = stored.bytes().await.map_err(ReleaseError::store("reading back", key))?;
        if stored != blob {
            return Err(ReleaseError::Different {
                key: key.to_string(),
                problem: "what was read back is not what was written".to_owned(),
            });
        }
        Ok(())
    }

    /// Downloads a blob and compares it with what the manifest says of it.
    pub async fn shard_bytes(&self, entry: &ShardEntry) -> Result<Bytes, ReleaseError> {
        retried(BLIP, async || {
            let blob = self.download(entry).await?;
            entry.check_digest(&blob)?;
            Ok(blob)
        })
        .await
    }

    /// Downloads a blob of the length that the manifest says.
    pub(super) async fn download(&self, entry: &ShardEntry) -> Result<Bytes, ReleaseError> {
        let key = &entry.key;
        let found = self.objects.get(&key.path()).await.map_err(ReleaseError::store("reading", key))?;
        if found.meta.size != entry.bytes {
            let bytes = found.meta.size;
            return Err(entry.different(format!("{bytes} bytes instead of {}", entry.bytes)));
        }
        found.bytes().await.map_err(ReleaseError::store("reading", key))
    }

    /// Creates an object that must not be there yet.
    pub(super) async fn create(&self, path: &Path, bytes: Bytes) -> Result<(), Error> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        self.objects.put_opts(path, bytes.into(), options).await.map(drop)
    }
}

impl ShardEntry {
    /// Opens the shard in `blob`, whose hash is known to be right, and compares it with what the manifest
    /// says of it.
    pub fn open(&self, blob: Bytes) -> Result<Shard, ReleaseError> {
        let shard = self.open_any(blob)?;
        let difference = self.differences(&shard).next();
        difference.map_or(Ok(shard), Err)
    }

    pub(super) fn check_digest(&self, blob: &[u8]) -> Result<(), ReleaseError> {
        let digest = Digest::of(blob);
        if digest == self.key.digest {
            return Ok(());
        }
        Err(self.different(format!("their SHA-256 is {digest}")))
    }

    /// Opens the shard in `blob`, though it may be another than the manifest says.
    pub(super) fn open_any(&self, blob: Bytes) -> Result<Shard, ReleaseError> {
        let ids = self.first_id.get()..=self.last_id.get();
        Shard::open(blob, ids).map_err(|error| ReleaseError::Shard { key: self.key.to_string(), error })
    }

    /// What the manifest says otherwise of this shard.
    pub(super) fn differences(&self, shard: &Shard) -> impl Iterator<Item = ReleaseError> {
        let Self { students, first_id, last_id, .. } = self;
        let (found, (first, last)) = (shard.students(), shard.ends());
        let count = (found != *students as usize).then(|| format!("{found} students instead of {students}"));
        let ends = ((first, last) != (first_id.get(), last_id.get()))
            .then(|| format!("ids {first} to {last} instead of {first_id} to {last_id}"));
        [count, ends].into_iter().flatten().map(|problem| self.different(problem))
    }

    fn different(&self, problem: String) -> ReleaseError {
        ReleaseError::Different { key: self.key.to_string(), problem }
    }
}
