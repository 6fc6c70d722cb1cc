use std::{fmt, fs, path::PathBuf, str::FromStr, sync::Arc};

use object_store::local::LocalFileSystem;

use super::{ReleaseError, ReleaseStore};

/// Where releases are kept: a directory, written `./var/bucket`, `/srv/bucket` or `file:///srv/bucket`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket(PathBuf);

impl Bucket {
    /// Opens the store, creating the directory where it is missing.
    pub fn open(&self) -> Result<ReleaseStore, ReleaseError> {
        let Self(directory) = self;
        let failed = |problem: String| ReleaseError::Bucket { bucket: self.to_string(), problem };
        fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
        let store = LocalFileSystem::new_with_prefix(directory)
            .map_err(|error| failed(error.to_string()))?
            // A committed release survives the death of the machine.
            .with_fsync(true);
        Ok(ReleaseStore::new(Arc::new(store), self.to_string()))
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl FromStr for Bucket {
    type Err = ReleaseError;

    fn from_str(text: &str) -> Result<Self, ReleaseError> {
        let path = text.strip_prefix("file://").unwrap_or(text);
        if path.contains("://") || !path.contains('/') && !path.starts_with('.') {
            return Err(ReleaseError::Bucket {
                bucket: text.to_owned(),
                problem: "only directories are supported; give one as ./bucket, /srv/bucket or \
                          file:///srv/bucket"
                    .to_owned(),
            });
        }
        Ok(Self(path.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_named_by_a_path_with_a_slash_or_a_dot() {
        for (text, path) in
            [("./var/bucket", "./var/bucket"), ("/srv/b", "/srv/b"), ("file:///srv/b", "/srv/b"), (".", ".")]
        {
            assert_eq!(text.parse::<Bucket>().unwrap(), Bucket(path.into()));
        }
        for text in ["results", "gs://results", "http://localhost/results", ""] {
            let error = text.parse::<Bucket>().unwrap_err().to_string();
            assert!(error.contains("only directories are supported"), "{error}");
        }
    }
}
