use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
};

use bytes::Bytes;
use memmap2::Mmap;

/// Which file lay there, and when it was last written: what tells, without reading it, that somebody put another in its
/// place, wrote into it or made it shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// The stamp of what lies at `path` now.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        path.metadata().map(Self::of)
    }

    fn of(file: Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
        }
    }
}

/// The bytes of a file, mapped, and the file's stamp from before they were read.
///
/// What is mapped is a copy without a name. Whoever shortens the file itself would take the pages from under a server
/// that had mapped it, which ends a process; nobody can reach this one. Where there is no room for it, the bytes are
/// held in memory.
pub(super) fn map_a_copy(path: &Path) -> io::Result<(Bytes, Stamp)> {
    let mut file = File::open(path)?;
    let stamp = Stamp::of(file.metadata()?);
    let bytes = match path
        .parent()
        .ok_or(io::ErrorKind::NotFound.into())
        .and_then(|folder| copy(&mut file, folder))
    {
        Ok(mapped) => Bytes::from_owner(mapped),
        Err(_) => std::fs::read(path)?.into(),
    };
    Ok((bytes, stamp))
}

fn copy(file: &mut File, folder: &Path) -> io::Result<Mmap> {
    let mut copy = tempfile::tempfile_in(folder)?;
    io::copy(file, &mut copy)?;
    #[expect(unsafe_code, reason = "serving without copying needs mapped memory")]
    // SAFETY: nobody changes the file while it is mapped: it has no name by which another process could open it, and
    // its only descriptor is closed when this returns.
    unsafe {
        Mmap::map(&copy)
    }
}
