use futures::{StreamExt, TryStreamExt, stream};

use super::{Manifest, ReleaseError, ReleaseNumber, ReleaseStore, ShardEntry};
use crate::{shard, student};

/// What a verification has read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many blobs.
    pub shards: u64,
    /// How many documents.
    pub students: u64,
    /// How many bytes the blobs have together.
    pub bytes: u64,
}

/// Blobs read at once: reading one waits for the store, checking one for a processor.
const AT_ONCE: usize = 8;

impl ReleaseStore {
    /// Reads a whole release again: every blob's hash and structure, every frame's hash, every document's
    /// student, every count. Ends at the first thing that is wrong.
    pub async fn verify(&self, number: ReleaseNumber) -> Result<(Manifest, Verified), ReleaseError> {
        let manifest = self.manifest(number).await?.ok_or(ReleaseError::Absent(number))?;
        let shards = stream::iter(manifest.shards.clone()).map(|entry| self.verify_shard(entry));
        let verified = shards.buffer_unordered(AT_ONCE).try_fold(Verified::default(), async |sum, one| {
            Ok(Verified {
                shards: sum.shards + one.shards,
                students: sum.students + one.students,
                bytes: sum.bytes + one.bytes,
            })
        });
        let verified = verified.await?;
        Ok((manifest, verified))
    }

    async fn verify_shard(&self, entry: ShardEntry) -> Result<Verified, ReleaseError> {
        let blob = self.shard_bytes(&entry).await?;
        let checked = tokio::task::spawn_blocking(move || check_documents(&entry, blob));
        checked.await.unwrap_or_else(|died| std::panic::resume_unwind(died.into_panic()))
    }
}

fn check_documents(entry: &ShardEntry, blob: bytes::Bytes) -> Result<Verified, ReleaseError> {
    let bytes = blob.len() as u64;
    let shard = entry.open(blob)?;
    let key = || entry.key.to_string();
    for frame in shard.frames() {
        let (id, frame) = frame.map_err(|error| ReleaseError::Shard { key: key(), error })?;
        let document = shard::decompress(&frame.bytes).map_err(|error| ReleaseError::Shard {
            key: key(),
            error: shard::ShardError::Frame { id, error },
        })?;
        let found = student::document_id(&document).map_err(|error| ReleaseError::Document {
            key: key(),
            id,
            error,
        })?;
        if found != id {
            return Err(ReleaseError::WrongStudent { key: key(), id, found });
        }
    }
    Ok(Verified { shards: 1, students: shard.students() as u64, bytes })
}
