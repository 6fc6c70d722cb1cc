use object_store::{Error, ObjectStoreExt, path::Path};

use super::{ReleaseError, ReleaseStore};
use crate::random;

impl ReleaseStore {
    /// Finds out whether the store really refuses to create what is there already: some accept the
    /// condition and ignore it, and there two publishers would both believe that they won.
    pub async fn probe(&self) -> Result<(), ReleaseError> {
        let path = Path::from(format!("probes/{}", random::hex_u64()));
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
}
