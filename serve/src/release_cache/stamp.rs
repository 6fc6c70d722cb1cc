use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};

/// Which file lay there, and when anything about it last changed: what tells, without reading it, that somebody put
/// another in its place, wrote into it or made it shorter. Nobody can set the time of the last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of what lies at `path` now.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(Self::of)
    }

    fn of(file: Metadata) -> Self {
        let changed = (file.ctime(), file.ctime_nsec());
        Self { device: file.dev(), inode: file.ino(), bytes: file.len(), changed }
    }
}

/// The bytes of a file, and the stamp that it had before they were read. One that is no file, or longer than it can be,
/// is not read: whoever put it there must not stop a server that starts.
pub(super) fn read_stamped(path: &Path, longest: u64) -> io::Result<(Vec<u8>, Stamp)> {
    let there = fs::metadata(path)?;
    if !there.is_file() || there.len() > longest {
        let problem = format!("it is no file of at most {longest} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    let file = File::open(path)?;
    let stamp = Stamp::of(file.metadata()?);
    let mut bytes = Vec::new();
    file.take(longest).read_to_end(&mut bytes)?;
    Ok((bytes, stamp))
}
