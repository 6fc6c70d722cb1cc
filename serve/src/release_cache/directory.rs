use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, future, stream};
use memmap2::Mmap;
use results_day::{
    release::{Digest, Manifest, ManifestError, ReleaseError, ReleaseNumber, ReleaseStore, ShardEntry},
    shard::Shard,
};

use super::LoadedRelease;

/// The directory where one server keeps its copy of the current release.
///
/// `manifest.json` names the release and is written when every shard of it is here; `shards/` holds the
/// blobs under their hashes; `lock` keeps a second server out. A file is written under another name, renamed
/// when it is whole, and never changed after that.
#[derive(Debug)]
pub(crate) struct CacheDirectory {
    path: PathBuf,
    _lock: File,
}

/// Why the local copy cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CacheError {
    #[error("the cache directory {path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the cache directory {path} belongs to a server that is running; give this one its own --cache-dir", path = path.display())]
    InUse { path: PathBuf },
    #[error(transparent)]
    Release(#[from] ReleaseError),
    #[error("the manifest: {0}")]
    Manifest(#[from] ManifestError),
    #[error("loading a shard was interrupted")]
    Interrupted,
}

/// Shards that are read, hashed and mapped at once. Reading waits for the store, hashing for a processor; a
/// shard has a quarter of a megabyte.
const AT_ONCE: usize = 8;

impl CacheDirectory {
    /// Takes the directory for this server, creating it where it is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, CacheError> {
        let io = |source| CacheError::Io { path: path.to_owned(), source };
        fs::create_dir_all(path.join("shards")).map_err(io)?;
        let lock = File::create(path.join("lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(CacheError::InUse { path: path.to_owned() }),
            Err(fs::TryLockError::Error(source)) => Err(io(source)),
        }
    }

    /// Where the journal of changes lies.
    pub(crate) fn journal(&self) -> PathBuf {
        self.path.join("changes.ndjson")
    }

    /// The release that an earlier server left here. `None` where there is none.
    pub(crate) async fn load(&self, store: &ReleaseStore) -> Result<Option<LoadedRelease>, CacheError> {
        let path = self.manifest();
        let json = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            json => json.map_err(|source| CacheError::Io { path, source })?,
        };
        let manifest = manifest_from_json(&json)?;
        self.map_shards(manifest, None, store).await.map(Some)
    }

    /// Brings a release here and maps it. What `current` has in common with it is neither read nor mapped
    /// again; what neither it nor the directory has comes from the store.
    pub(crate) async fn fetch(
        &self,
        manifest: Manifest,
        current: Option<&LoadedRelease>,
        store: &ReleaseStore,
    ) -> Result<LoadedRelease, CacheError> {
        let release = self.map_shards(manifest, current, store).await?;
        let path = self.manifest();
        let io = |source| CacheError::Io { path: path.clone(), source };
        write_whole(&path, &release.manifest.to_json()?).map_err(io)?;
        self.forget_all_but(&release.manifest).map_err(io)?;
        Ok(release)
    }

    async fn map_shards(
        &self,
        manifest: Manifest,
        current: Option<&LoadedRelease>,
        store: &ReleaseStore,
    ) -> Result<LoadedRelease, CacheError> {
        let mapped: HashMap<&ShardEntry, &Shard> =
            current.iter().flat_map(|release| release.shards()).collect();
        let shards: Vec<_> = manifest
            .shards
            .iter()
            .map(|entry| match mapped.get(entry) {
                Some(shard) => future::ready(Ok(Shard::clone(shard))).left_future(),
                None => self.shard(entry, store).right_future(),
            })
            .collect();
        let shards = stream::iter(shards).buffered(AT_ONCE).try_collect().await?;
        Ok(LoadedRelease::new(manifest, shards))
    }

    /// The shard from the directory, or else from the store by way of the directory.
    async fn shard(&self, entry: &ShardEntry, store: &ReleaseStore) -> Result<Shard, CacheError> {
        let path = self.shards().join(entry.key.digest.to_string());
        let (at, wanted) = (path.clone(), entry.clone());
        match blocking(move || map(&at, &wanted)).await? {
            Ok(Some(shard)) => return Ok(shard),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "a cached shard is unusable; fetching it again"),
        }
        let blob = store.shard_bytes(entry).await?;
        let entry = entry.clone();
        blocking(move || {
            let io = |source| CacheError::Io { path: path.clone(), source };
            write_whole(&path, &blob).map_err(io)?;
            let missing = || io(io::Error::from(io::ErrorKind::NotFound));
            map(&path, &entry)?.ok_or_else(missing)
        })
        .await?
    }

    /// Deletes the blobs that the release does not name. Mapped ones live on until the last request is done.
    fn forget_all_but(&self, manifest: &Manifest) -> io::Result<()> {
        let named: HashSet<String> =
            manifest.shards.iter().map(|entry| entry.key.digest.to_string()).collect();
        for file in fs::read_dir(self.shards())? {
            let file = file?;
            if !file.file_name().to_str().is_some_and(|name| named.contains(name)) {
                fs::remove_file(file.path())?;
            }
        }
        Ok(())
    }

    fn manifest(&self) -> PathBuf {
        self.path.join("manifest.json")
    }

    fn shards(&self) -> PathBuf {
        self.path.join("shards")
    }
}

/// Maps a blob and checks it against its manifest; `None` where there is no such file.
fn map(path: &Path, entry: &ShardEntry) -> Result<Option<Shard>, CacheError> {
    let io = |source| CacheError::Io { path: path.to_owned(), source };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(io)?,
    };
    #[expect(unsafe_code, reason = "serving without copying needs mapped memory")]
    // SAFETY: nobody changes the file while it is mapped. It lies in a directory that this process has
    // locked for itself, was renamed there when it was whole, and is only ever unlinked, which leaves the
    // mapping alone.
    let mapped = unsafe { Mmap::map(&file) }.map_err(io)?;
    let blob = Bytes::from_owner(mapped);
    let digest = Digest::of(&blob);
    if blob.len() as u64 != entry.bytes || digest != entry.key.digest {
        return Err(CacheError::Release(ReleaseError::Different {
            key: path.display().to_string(),
            problem: format!("{} bytes with the SHA-256 {digest}", blob.len()),
        }));
    }
    Ok(Some(entry.open(blob)?))
}

fn manifest_from_json(json: &[u8]) -> Result<Manifest, CacheError> {
    #[derive(serde::Deserialize)]
    struct Number {
        number: ReleaseNumber,
    }
    let Number { number } = serde_json::from_slice(json).map_err(ManifestError::Json)?;
    Ok(Manifest::from_json(number, json)?)
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    File::create(&temporary)?.write_all(bytes)?;
    fs::rename(&temporary, path)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CacheError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| CacheError::Interrupted)
}
