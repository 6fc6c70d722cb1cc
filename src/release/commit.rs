use std::time::Duration;

use object_store::Error;
use tokio::time::Instant;

use super::{Manifest, ReleaseError, ReleaseStore};

/// How a commit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Commit {
    /// The release is current.
    Won,
    /// Another publisher took the number. Start over from a new snapshot, on top of the winner.
    Lost,
}

/// How often a put whose outcome is unclear is asked about.
const TRIES: u32 = 6;

/// The pause before the second try; it doubles. Six tries take about six seconds: enough for a store that
/// restarts, and short enough that a person is still there to read the error.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// How long an unclear put is asked about at most. A store may take half a minute for each error, because it is asked
/// again below us: then two of them are enough.
const PATIENCE: Duration = Duration::from_secs(45);

impl ReleaseStore {
    /// Makes the release current, or finds that another has its number. Every shard that it names must have
    /// been verified in the store before.
    ///
    /// A put that failed may still have happened, and one that timed out may happen later. So an error is
    /// neither won nor lost: the number is read, and where nothing is there the very same put is repeated.
    /// An error from here says that the outcome is unknown; the next run sees it.
    pub async fn commit(&self, manifest: &Manifest) -> Result<Commit, ReleaseError> {
        let key = manifest.number.path();
        let invalid = |error| ReleaseError::Manifest { key: key.to_string(), error };
        let json = manifest.to_json().map_err(invalid)?;
        // What is committed must be readable, or nobody could ever publish on top of it.
        Manifest::from_json(manifest.number, &json).map_err(invalid)?;
        let mut pause = FIRST_PAUSE;
        let mut tries = 1;
        let started = Instant::now();
        loop {
            let failure = match self.create(&key, json.clone().into()).await {
                Ok(()) => return Ok(Commit::Won),
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => None,
                Err(error) => Some(ReleaseError::store("committing", &key)(error)),
            };
            let there = self.manifest(manifest.number).await;
            let last = tries == TRIES || tries > 1 && started.elapsed() >= PATIENCE;
            match (there, failure) {
                (Ok(Some(there)), _) if there.attempt == manifest.attempt => return Ok(Commit::Won),
                (Ok(Some(_)) | Err(ReleaseError::Collected { .. }), _) => return Ok(Commit::Lost),
                // Something is there, and it was asked for often enough.
                (Err(error @ (ReleaseError::Manifest { .. } | ReleaseError::Different { .. })), _) => {
                    return Err(error);
                }
                (Ok(None), Some(error)) | (Err(_), Some(error)) | (Err(error), None) if last => {
                    return Err(error);
                }
                // The store said that the manifest is there and now that it is not: ask again.
                (Ok(None), None) if last => return Err(ReleaseError::Absent(manifest.number)),
                _ => {}
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            tries += 1;
        }
    }
}
