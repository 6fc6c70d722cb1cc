use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;

use super::{ReleaseError, ReleaseNumber, ShardKey, parts, probe};

/// A temporary file that a killed publisher left in a bucket directory: `<name>#<digits>`. No listing shows it.
pub(super) struct Litter {
    path: PathBuf,
    pub(super) bytes: u64,
}

/// The litter that is older than the grace period; nothing where the bucket is no directory.
pub(super) fn find(
    bucket: Option<&Path>,
    now: Timestamp,
    grace: Duration,
) -> Result<Vec<Litter>, ReleaseError> {
    let Some(bucket) = bucket else { return Ok(Vec::new()) };
    let mut litter = Vec::new();
    for folder in [ReleaseNumber::FOLDER, ShardKey::FOLDER, parts::FOLDER, probe::FOLDER] {
        walk(&bucket.join(folder), &mut |path, metadata| {
            let written = Timestamp::try_from(metadata.modified()?).map_err(io::Error::other)?;
            if is_temporary(path) && now.duration_since(written).unsigned_abs() > grace && written < now {
                litter.push(Litter { path: path.to_owned(), bytes: metadata.len() });
            }
            Ok(())
        })
        .map_err(|error| failed(bucket, &error))?;
    }
    Ok(litter)
}

/// Removes it.
pub(super) fn remove(litter: &[Litter]) -> Result<(), ReleaseError> {
    litter.iter().try_for_each(|Litter { path, .. }| match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path, &error)),
        _ => Ok(()),
    })
}

/// Removes the folders below `parts/` that are empty without the files that were deleted under these keys: each attempt
/// has its own, which nobody comes back to.
pub(super) fn remove_emptied<'a>(bucket: &Path, deleted: impl Iterator<Item = &'a str>) {
    let parts = bucket.join(parts::FOLDER);
    for key in deleted.filter(|key| parts::is_below(key)) {
        let file = bucket.join(key);
        let folders = file.ancestors().skip(1).take_while(|folder| *folder != parts);
        // One that is not empty stays, and so do those above it.
        folders.map(fs::remove_dir).take_while(Result::is_ok).for_each(drop);
    }
}

fn walk(folder: &Path, visit: &mut impl FnMut(&Path, &fs::Metadata) -> io::Result<()>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => walk(&path, visit)?,
            Ok(metadata) => visit(&path, &metadata)?,
            // A publisher that is at work has given it its own name.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some((_, digits)) = name.rsplit_once('#') else { return false };
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn failed(place: &Path, error: &io::Error) -> ReleaseError {
    ReleaseError::Bucket { bucket: place.display().to_string(), problem: error.to_string() }
}
