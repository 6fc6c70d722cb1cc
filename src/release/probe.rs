use jiff::Timestamp;
use object_store::{Error, ObjectMeta, ObjectStoreExt, path::Path};

use super::{ReleaseError, ReleaseStore};
use crate::random;

/// The folder of objects that are written to find something out about the store, and deleted.
pub(super) const FOLDER: &str = "probes";

impl ReleaseStore {
    /// Finds out whether the store really refuses to create what is there already: some accept the
    /// condition and ignore it, and there two publishers would both believe that they won.
    pub async fn probe(&self) -> Result<(), ReleaseError> {
        let path = a_path();
        match self.create(&path, "first".into()).await {
            // Nobody else has this key: it is our own put, repeated below us.
            Ok(()) | Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
            Err(error) => return Err(ReleaseError::store("creating", &path)(error)),
        }
        let second = self.create(&path, "second".into()).await;
        let deleted = self.objects.delete(&path).await;
        match second {
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {
                deleted.map_err(ReleaseError::store("deleting", &path))
            }
            Ok(()) => Err(ReleaseError::Unconditional { place: self.place().to_owned() }),
            Err(error) => Err(ReleaseError::store("creating", &path)(error)),
        }
    }

    /// The time by the store's clock, which is the one that says when an object was written.
    pub async fn now(&self) -> Result<Timestamp, ReleaseError> {
        let path = a_path();
        self.objects.put(&path, "now".into()).await.map_err(ReleaseError::store("creating", &path))?;
        let written = self.objects.head(&path).await.map_err(ReleaseError::store("reading", &path))?;
        self.objects.delete(&path).await.map_err(ReleaseError::store("deleting", &path))?;
        Ok(timestamp(&written))
    }
}

/// Where nobody else writes.
fn a_path() -> Path {
    Path::from(format!("{FOLDER}/{}", random::hex_u64()))
}

/// To the second, which is all that a store says.
pub(super) fn timestamp(object: &ObjectMeta) -> Timestamp {
    Timestamp::from_second(object.last_modified.timestamp()).unwrap_or(Timestamp::MIN)
}
