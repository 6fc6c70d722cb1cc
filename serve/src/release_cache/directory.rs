use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use results_day::{
    private,
    release::{Digest, Manifest, ManifestError, ReleaseError, ReleaseNumber, ShardEntry},
    whole,
};
use rustix::io::Errno;
use serde::Serialize;

use super::{
    LoadedRelease,
    loaded::Held,
    memory,
    stamp::{Stamp, read_stamped},
};

/// The directory where one server keeps its copy of the current release.
///
/// `manifest.json` names the release and is written when every shard of it is here; `shards/` holds the
/// blobs under their hashes; `changes.ndjson` is the journal of changes; `embargo.json` says what was opened and what waits;
/// `lock` keeps a second server out. A file is written under another name, renamed when it is whole, and never changed
/// after that; what somebody else does to it is noticed by its [`Stamp`].
#[derive(Debug)]
pub(crate) struct CacheDirectory {
    path: PathBuf,
    /// The lock, while this server has it. Without it nothing is written here.
    lock: Mutex<Option<File>>,
    /// The release whose manifest was last found or written here, and the file's stamp.
    settled: Mutex<Option<(ReleaseNumber, Stamp)>>,
    /// Shards that were found broken here, and not told of yet.
    broken: AtomicUsize,
}

/// Why the local copy cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CacheError {
    #[error("the cache directory, at {path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the cache directory {path} belongs to a server that is running; give this one its own --cache-dir", path = path.display())]
    InUse { path: PathBuf },
    #[error("{path} does not hold the shard that it should", path = path.display())]
    Broken { path: PathBuf },
    #[error("{}", .0.for_a_log())]
    Release(#[from] ReleaseError),
    #[error("the manifest: {0}")]
    Manifest(#[from] ManifestError),
    #[error("loading a shard was interrupted")]
    Interrupted,
}

/// A nation's manifest has 120 kB, and what stands about the hour some hundred bytes.
const LONGEST_MANIFEST: u64 = 256 << 20;
const LONGEST_EMBARGO: u64 = 1 << 20;

impl CacheDirectory {
    /// Takes the directory for this server, creating it where it is missing. One that cannot be written is read all the
    /// same, and everything that is not in it is held in memory.
    pub(crate) fn open(path: &Path) -> Result<Self, CacheError> {
        let directory = Self {
            path: path.to_owned(),
            lock: Mutex::default(),
            settled: Mutex::default(),
            broken: AtomicUsize::default(),
        };
        match directory.claim() {
            Err(error) if error.is_an_unwritable_disk() => {
                tracing::error!(%error, "nothing can be kept on disk; a restart will need the store and the database");
            }
            claimed => claimed?,
        }
        Ok(directory)
    }

    /// Makes sure that the directory is there and is this server's: whoever deleted it deleted the lock with it.
    pub(crate) fn claim(&self) -> Result<(), CacheError> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if !lock.as_ref().is_some_and(|lock| lies_at(lock, &self.path.join("lock"))) {
            *lock = None;
            *lock = Some(self.take()?);
        }
        Ok(())
    }

    /// Whether the directory is this server's. What another may have written since is worth nothing to this one.
    pub(crate) fn is_claimed(&self) -> bool {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Where the journal of changes lies.
    pub(crate) fn journal(&self) -> PathBuf {
        self.path.join("changes.ndjson")
    }

    /// What stands in it about the hour, and the file's stamp.
    pub(crate) fn read_embargo(&self) -> Result<(Vec<u8>, Stamp), CacheError> {
        let path = self.embargo();
        read_stamped(&path, LONGEST_EMBARGO).map_err(io_at(&path))
    }

    /// The stamp of what lies there now.
    pub(crate) fn embargo_stamp(&self) -> Option<Stamp> {
        Stamp::at(&self.embargo()).ok()
    }

    /// Writes that down, for good.
    pub(crate) fn write_embargo(&self, record: &impl Serialize) -> Result<Stamp, CacheError> {
        self.claim()?;
        let path = self.embargo();
        let json = serde_json::to_vec(record).map(|json| [&json[..], b"\n"].concat());
        json.map_err(io::Error::from)
            .and_then(|json| whole::write_durably(&path, &json))
            .and_then(|()| Stamp::at(&path))
            .map_err(io_at(&path))
    }

    /// The manifest that an earlier server left here. `None` where there is none.
    pub(super) fn read_manifest(&self) -> Result<Option<Manifest>, CacheError> {
        let read = self.manifest_and_stamp()?;
        if let Some((manifest, stamp)) = &read {
            self.has_settled(manifest.number, *stamp);
        }
        Ok(read.map(|(manifest, _)| manifest))
    }

    fn manifest_and_stamp(&self) -> Result<Option<(Manifest, Stamp)>, CacheError> {
        let path = self.manifest();
        match read_stamped(&path, LONGEST_MANIFEST) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => {
                let (json, stamp) = read.map_err(io_at(&path))?;
                Ok(Some((manifest_from_json(&json)?, stamp)))
            }
        }
    }

    pub(super) fn write_manifest(&self, manifest: &Manifest) -> Result<(), CacheError> {
        self.claim()?;
        let path = self.manifest();
        whole::write(&path, &manifest.to_json()?).map_err(io_at(&path))?;
        // What somebody else writes there in this very moment is not what was settled.
        if let Some((found, stamp)) = self.manifest_and_stamp()?
            && found == *manifest
        {
            self.has_settled(manifest.number, stamp);
        }
        Ok(())
    }

    /// The shard that is here, if it is and is what it should be; `None` where it is not here.
    pub(super) fn read_shard(&self, entry: &ShardEntry) -> Result<Option<Held>, CacheError> {
        let path = self.shard(entry);
        let (blob, stamp) = match read_stamped(&path, entry.bytes) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(io_at(&path))?,
        };
        let blob = memory::hold(&blob);
        if blob.len() as u64 != entry.bytes || Digest::of(&blob) != entry.key.digest {
            return Err(CacheError::Broken { path });
        }
        Ok(Some(Held::on_disk(entry.open(blob)?, stamp)))
    }

    /// A shard that lies here could not be used.
    pub(super) fn found_broken(&self) {
        self.broken.fetch_add(1, Ordering::Relaxed);
    }

    /// How many shards could not be used since this was last asked.
    pub(crate) fn broken(&self) -> usize {
        self.broken.swap(0, Ordering::Relaxed)
    }

    /// Writes a shard here, whose bytes are right.
    pub(super) fn write_shard(&self, entry: &ShardEntry, blob: &[u8]) -> Result<Stamp, CacheError> {
        self.claim()?;
        let path = self.shard(entry);
        let written = match whole::write(&path, blob) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                private::create_folder(&self.shards()).and_then(|()| whole::write(&path, blob))
            }
            written => written,
        };
        written.and_then(|()| Stamp::at(&path)).map_err(io_at(&path))
    }

    /// Whether the shard's file is the one that was checked, as far as can be told without reading it.
    pub(super) fn has(&self, entry: &ShardEntry, held: &Held) -> bool {
        held.stamp().is_some_and(|stamp| Stamp::at(&self.shard(entry)).is_ok_and(|now| now == stamp))
    }

    /// Whether a server that starts would find this release here, as far as can be told without reading it.
    pub(crate) fn holds(&self, release: &LoadedRelease) -> bool {
        let settled = *self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        let manifest = Stamp::at(&self.manifest()).ok().map(|stamp| (release.manifest.number, stamp));
        manifest.is_some() && settled == manifest && self.has_all(release)
    }

    /// Whether all the shards of this release lie here.
    pub(super) fn has_all(&self, release: &LoadedRelease) -> bool {
        release.shards().all(|(entry, held)| self.has(entry, held))
    }

    fn has_settled(&self, number: ReleaseNumber, stamp: Stamp) {
        *self.settled.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, stamp));
    }

    /// Deletes the blobs that neither this release names nor the one whose manifest lies here.
    pub(super) fn forget_all_but(&self, release: &Manifest) -> Result<(), CacheError> {
        self.claim()?;
        let settled = self.manifest_and_stamp().ok().flatten().map(|(manifest, _)| manifest);
        let named: HashSet<String> = [Some(release), settled.as_ref()]
            .into_iter()
            .flatten()
            .flat_map(|manifest| &manifest.shards)
            .map(|entry| entry.key.digest.to_string())
            .collect();
        let path = self.shards();
        for file in fs::read_dir(&path).map_err(io_at(&path))? {
            let file = file.map_err(io_at(&path))?;
            let name = file.file_name();
            // What no server has written is none of this one's business.
            if name.to_str().is_some_and(|name| !named.contains(name) && is_a_shards(name)) {
                fs::remove_file(file.path()).map_err(io_at(&file.path()))?;
            }
        }
        Ok(())
    }

    fn take(&self) -> Result<File, CacheError> {
        let path = &self.path;
        private::create_folder(&self.shards()).map_err(io_at(path))?;
        let lock = File::create(path.join("lock")).map_err(io_at(path))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(fs::TryLockError::WouldBlock) => Err(CacheError::InUse { path: path.clone() }),
            Err(fs::TryLockError::Error(source)) => Err(io_at(path)(source)),
        }
    }

    fn embargo(&self) -> PathBuf {
        self.path.join("embargo.json")
    }

    fn manifest(&self) -> PathBuf {
        self.path.join("manifest.json")
    }

    fn shards(&self) -> PathBuf {
        self.path.join("shards")
    }

    fn shard(&self, entry: &ShardEntry) -> PathBuf {
        self.shards().join(entry.key.digest.to_string())
    }
}

impl CacheError {
    /// Whether the disk takes nothing, which is a reason to do without it. Anything else that is wrong with the
    /// directory is a mistake in the command line.
    fn is_an_unwritable_disk(&self) -> bool {
        use io::ErrorKind::{
            NotConnected, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StaleNetworkFileHandle,
            StorageFull,
        };
        let Self::Io { source, .. } = self else { return false };
        let broken = [Errno::IO, Errno::NXIO, Errno::NODEV].map(Errno::raw_os_error);
        matches!(
            source.kind(),
            PermissionDenied
                | QuotaExceeded
                | ReadOnlyFilesystem
                | StorageFull
                | StaleNetworkFileHandle
                | NotConnected
        ) || source.raw_os_error().is_some_and(|error| broken.contains(&error))
    }

    /// Whether the disk said this.
    pub(crate) fn is(&self, kind: io::ErrorKind) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == kind)
    }
}

fn io_at(path: &Path) -> impl Fn(io::Error) -> CacheError {
    move |source| CacheError::Io { path: path.to_owned(), source }
}

/// Whether a file is called like a shard, or one that was being written.
fn is_a_shards(name: &str) -> bool {
    name.strip_suffix(".new").unwrap_or(name).parse::<Digest>().is_ok()
}

fn lies_at(file: &File, path: &Path) -> bool {
    let (Ok(held), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (held.dev(), held.ino()) == (there.dev(), there.ino())
}

fn manifest_from_json(json: &[u8]) -> Result<Manifest, CacheError> {
    #[derive(serde::Deserialize)]
    struct Number {
        number: ReleaseNumber,
    }
    let Number { number } = serde_json::from_slice(json).map_err(ManifestError::Json)?;
    Ok(Manifest::from_json(number, json)?)
}
