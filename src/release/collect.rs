use jiff::Timestamp;
use object_store::ObjectStoreExt;

use super::{ReleaseError, ReleaseNumber, ReleaseStore, manifest::Tombstone};

impl ReleaseStore {
    /// Puts a tombstone in the place of the manifest of a release that is not kept. Of all objects in the bucket only
    /// this one is ever written over, and only once.
    pub async fn bury(&self, number: ReleaseNumber, collected: Timestamp) -> Result<(), ReleaseError> {
        let key = number.path();
        let json = Tombstone::of(number, collected).to_json();
        let json = json.map_err(|error| ReleaseError::Manifest { key: key.to_string(), error })?;
        self.objects.put(&key, json.into()).await.map(drop).map_err(ReleaseError::store("collecting", &key))
    }
}
