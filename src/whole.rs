//! Files that are whole or not there: written under another name, and renamed when every byte is written.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// Puts a file with these bytes at `path`, in the place of whatever is there. The death of this process leaves the
/// old file or the new one; the death of the machine may leave neither whole.
///
/// Whoever has the old file open or mapped keeps it as it was. Where it fails, the old file is there still and nothing
/// else is: on a full disk half a file would be in the way of the next one.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, |_| Ok(()))
}

/// The same for a file that must outlive the death of the machine as well, once this has returned.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, File::sync_all)?;
    File::open(folder(path))?.sync_all()
}

fn put(path: &Path, bytes: &[u8], sync: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let written = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        sync(&file)?;
        fs::rename(&temporary, path)
    };
    written().inspect_err(|_| {
        // Where it was never created, there is nothing to remove.
        let _not_there = fs::remove_file(&temporary);
    })
}

/// The folder that holds `path`; the parent of a bare file name is the empty path, which opens nothing.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_takes_the_place_of_the_old_one_in_one_step() {
        for write in [write, write_durably] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            write(&path, b"old").unwrap();
            let old = File::open(&path).unwrap();
            // What a program that died on the way left behind.
            fs::write(path.with_extension("new"), "half of something longer").unwrap();
            write(&path, b"new").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
            assert_eq!(names(folder.path()), ["file"]);
            // Whoever had the old one open still reads all of the old one: nothing was written over it.
            assert_eq!(io::read_to_string(old).unwrap(), "old");
        }
    }

    #[test]
    fn a_full_disk_leaves_the_old_file_and_nothing_else() {
        for write in [write, write_durably] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            write(&path, b"old").unwrap();
            symlink("/dev/full", path.with_extension("new")).unwrap();
            assert_eq!(write(&path, b"new").unwrap_err().kind(), io::ErrorKind::StorageFull);
            assert_eq!(fs::read(&path).unwrap(), b"old");
            assert_eq!(names(folder.path()), ["file"]);
        }
    }

    #[test]
    fn a_folder_that_is_missing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("none/file"), b"new").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_named_without_a_folder_lies_in_the_current_one() {
        assert_eq!(folder(Path::new("file")), Path::new("."));
        assert_eq!(folder(Path::new("var/file")), Path::new("var"));
    }
}
