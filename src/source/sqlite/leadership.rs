use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;

use super::{
    super::{Leadership, SourceError},
    blocking,
};

/// A locked file beside the database. The kernel releases it when the process dies, so that nothing is to be cleaned
/// up; the empty file stays.
#[derive(Debug)]
pub(super) struct LockFile {
    file: Arc<File>,
    path: PathBuf,
}

impl LockFile {
    /// Locks the file of this database, unless somebody has it locked.
    pub(super) fn try_lock(database: &Path) -> Result<Option<Self>, SourceError> {
        // One database has one lock, whatever path leads to it; and where there is no database there is none.
        let mut path =
            fs::canonicalize(database).map_err(|error| unavailable(database, error))?.into_os_string();
        path.push(".watch");
        let path = PathBuf::from(path);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| unavailable(&path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(unavailable(&path, error)),
        }
        check(&file, &path)?;
        Ok(Some(Self { file: Arc::new(file), path }))
    }
}

#[async_trait]
impl Leadership for LockFile {
    async fn hold(&mut self) -> Result<(), SourceError> {
        let (file, path) = (self.file.clone(), self.path.clone());
        blocking(move || check(&file, &path)).await
    }
}

/// A file that was deleted or renamed stays locked, and keeps nobody from locking the next one in its place.
fn check(file: &File, path: &Path) -> Result<(), SourceError> {
    let ours = file.metadata().map_err(|error| unavailable(path, error))?;
    let there = fs::metadata(path).map_err(|error| unavailable(path, error))?;
    if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
        return Ok(());
    }
    Err(SourceError::Unavailable(format!("{} is not the file any more that was locked", path.display())))
}

fn unavailable(path: &Path, error: io::Error) -> SourceError {
    SourceError::Unavailable(format!("{}: {error}", path.display()))
}
