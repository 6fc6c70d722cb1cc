//! What nobody else on the machine may see: results, before their hour above all.

use std::{fs::DirBuilder, io, os::unix::fs::DirBuilderExt, path::Path};

use rustix::process::{Resource, Rlimit, setrlimit};

/// Whoever made the folder, and his group.
const MODE: u32 = 0o750;

/// Creates a folder for results, and those above it, where they are missing: others may not enter what is new. One that
/// is there stays as it is.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(MODE).create(path)
}

/// From now on a crash of this process writes no image of its memory to a disk.
pub fn leave_no_core() {
    let nothing = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, nothing) {
        tracing::warn!(%error, "a crash may write an image of the memory to disk, results and all");
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn others_may_not_enter_a_new_folder_and_an_old_one_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let new = folder.path().join("bucket/results");
        create_folder(&new).unwrap();
        for made in [&*new, new.parent().unwrap()] {
            assert_eq!(mode(made) & 0o007, 0, "{}", made.display());
        }
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        create_folder(&new).unwrap();
        assert_eq!(mode(&new), 0o755);
    }
}
