use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use object_store::{local::LocalFileSystem, path::Path, prefix::PrefixStore};

use super::{
    ReleaseError, ReleaseStore,
    s3::{self, Patience},
};
use crate::private;

/// Where releases are kept: a bucket of an S3 store, written `results` or `s3://results/prefix`, or a directory,
/// written `./var/bucket`, `/srv/bucket` or `file:///srv/bucket`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket(Place);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Directory(PathBuf),
    /// The name of the bucket, and the path inside it.
    S3(String, Path),
}

impl Bucket {
    /// This bucket, for whoever has no use for an empty one: a directory that is not there is an error.
    pub fn existing(&self) -> Result<&Self, ReleaseError> {
        match &self.0 {
            Place::Directory(directory) if !directory.exists() => Err(ReleaseError::Bucket {
                bucket: self.to_string(),
                problem: "there is no such directory; give the one that was published into".to_owned(),
            }),
            _ => Ok(self),
        }
    }

    /// Opens the store for reading: one that does not answer is given up soon, because whoever reads has a copy or
    /// asks again. A missing directory is created.
    pub fn open(&self) -> Result<ReleaseStore, ReleaseError> {
        self.open_with(Patience::Reader)
    }

    /// Opens the store for changing what is published: one that does not answer is asked again for a while.
    pub fn open_to_change(&self) -> Result<ReleaseStore, ReleaseError> {
        self.open_with(Patience::Publisher)
    }

    /// [`open_to_change`](Self::open_to_change), after creating the bucket where it is missing.
    pub async fn open_to_publish(&self) -> Result<ReleaseStore, ReleaseError> {
        if let Place::S3(name, _) = &self.0 {
            let store = s3::open(name, Patience::Publisher)?;
            s3::create_if_missing(&store, name).await?;
        }
        self.open_to_change()
    }

    fn open_with(&self, patience: Patience) -> Result<ReleaseStore, ReleaseError> {
        match &self.0 {
            Place::Directory(directory) => self.directory(directory),
            Place::S3(name, prefix) => {
                let objects = PrefixStore::new(s3::open(name, patience)?, prefix.clone());
                Ok(ReleaseStore::new(Arc::new(objects), self.to_string()))
            }
        }
    }

    fn directory(&self, directory: &PathBuf) -> Result<ReleaseStore, ReleaseError> {
        let failed = |problem: String| ReleaseError::Bucket { bucket: self.to_string(), problem };
        private::create_folder(directory).map_err(|error| failed(error.to_string()))?;
        let store = LocalFileSystem::new_with_prefix(directory)
            .map_err(|error| failed(error.to_string()))?
            // A committed release survives the death of the machine.
            .with_fsync(true);
        Ok(ReleaseStore::in_directory(Arc::new(store), directory.clone()))
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Directory(path) => path.display().fmt(f),
            Place::S3(name, prefix) if prefix.as_ref().is_empty() => write!(f, "s3://{name}"),
            Place::S3(name, prefix) => write!(f, "s3://{name}/{prefix}"),
        }
    }
}

impl FromStr for Bucket {
    type Err = ReleaseError;

    fn from_str(text: &str) -> Result<Self, ReleaseError> {
        let failed = |problem: &str| ReleaseError::Bucket {
            bucket: text.to_owned(),
            problem: format!(
                "{problem}; give an S3 bucket as results or s3://results/prefix, or a directory as ./bucket, \
                 /srv/bucket or file:///srv/bucket"
            ),
        };
        if let Some(s3) = text.strip_prefix("s3://") {
            let (name, prefix) = s3.split_once('/').unwrap_or((s3, ""));
            s3::check_name(name).map_err(failed)?;
            let prefix = Path::parse(prefix).map_err(|_| failed("its prefix is no path in a bucket"))?;
            return Ok(Self(Place::S3(name.to_owned(), prefix)));
        }
        if let Some(path) = text.strip_prefix("file://") {
            if !path.starts_with('/') {
                return Err(failed("behind file:// comes a path from the root"));
            }
            return Ok(Self(Place::Directory(path.into())));
        }
        let path = text;
        if path.contains("://") {
            return Err(failed("there is no store for such a URL"));
        }
        if path.contains('/') || path.starts_with('.') {
            return Ok(Self(Place::Directory(path.into())));
        }
        s3::check_name(text).map_err(failed)?;
        Ok(Self(Place::S3(text.to_owned(), Path::default())))
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
            assert_eq!(text.parse::<Bucket>().unwrap(), Bucket(Place::Directory(path.into())));
        }
    }

    #[test]
    fn an_s3_bucket_is_named_by_its_name_or_by_a_url_with_a_prefix() {
        for (text, name, prefix, shown) in [
            ("results", "results", "", "s3://results"),
            ("s3://results", "results", "", "s3://results"),
            ("s3://results/", "results", "", "s3://results"),
            ("s3://results/2026/june", "results", "2026/june", "s3://results/2026/june"),
            ("a.b-3", "a.b-3", "", "s3://a.b-3"),
        ] {
            let bucket: Bucket = text.parse().unwrap();
            assert_eq!(bucket, Bucket(Place::S3(name.to_owned(), Path::from(prefix))), "{text}");
            assert_eq!(bucket.to_string(), shown);
            assert_eq!(shown.parse::<Bucket>().unwrap(), bucket);
        }
    }

    #[test]
    fn what_names_no_bucket_is_refused_with_what_would() {
        for (text, problem) in [
            ("gs://results", "there is no store for such a URL"),
            ("file://results", "behind file:// comes a path from the root"),
            ("http://localhost/results", "there is no store for such a URL"),
            ("", "a bucket's name has 3 to 63 characters"),
            ("ab", "a bucket's name has 3 to 63 characters"),
            ("s3:///prefix", "a bucket's name has 3 to 63 characters"),
            ("Results", "a bucket's name consists of lower-case letters"),
            ("re_sults", "a bucket's name consists of lower-case letters"),
            ("-results", "a bucket's name consists of lower-case letters"),
            ("s3://results/a//b", "its prefix is no path in a bucket"),
        ] {
            let error = text.parse::<Bucket>().unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains("give an S3 bucket as results"), "{error}");
        }
    }
}
