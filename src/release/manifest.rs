use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Attempt, ReleaseNumber, ShardKey,
    seal::{seal, unseal},
};
use crate::{shard::Width, source::Origin, student::StudentId};

/// The version of manifests and shards. A reader refuses what it does not know.
pub const FORMAT: u32 = 1;

/// Everything that a release is. Fields are written in this order, and behind them the hash of it all; a field that a
/// reader does not know is an error to it, because it might be a reason not to show the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// This release's number, as in its key.
    pub number: ReleaseNumber,
    /// The release that was current when this one was committed.
    #[serde(deserialize_with = "Option::deserialize")] // null, but not missing
    pub parent: Option<ReleaseNumber>,
    /// The release whose shards and source this one names again: its parent where it is the fence of a collection, an
    /// older one where it is a rollback. A fence on top of a rollback repeats what the rollback does.
    #[serde(deserialize_with = "Option::deserialize")]
    pub repeats: Option<ReleaseNumber>,
    /// The oldest release that is kept. Those before it are being collected, or have been.
    pub oldest: ReleaseNumber,
    /// The try of `publish` that committed it.
    pub attempt: Attempt,
    /// When the manifest was made, by that machine's clock. For people; nothing is decided by it.
    pub created: Timestamp,
    /// The embargo: before this instant nobody may see a result. `None` where there never was one.
    #[serde(deserialize_with = "Option::deserialize")]
    pub not_before: Option<Timestamp>,
    /// The version of the documents.
    pub renderer: u32,
    /// The version of the frames.
    pub encoder: String,
    /// What the release was read from.
    pub source: Origin,
    /// How many ids share a prefix.
    pub width: Width,
    /// How many students there are.
    pub students: u64,
    /// The smallest id.
    pub first_id: StudentId,
    /// The greatest id.
    pub last_id: StudentId,
    /// The shards, in the order of their prefixes. Each holds at least one student.
    pub shards: Vec<ShardEntry>,
}

/// One shard of a release.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// Where the blob lies; it names the prefix and the hash.
    pub key: ShardKey,
    /// The blob's length.
    pub bytes: u64,
    /// How many students it holds.
    pub students: u32,
    /// The smallest id in it.
    pub first_id: StudentId,
    /// The greatest id in it.
    pub last_id: StudentId,
}

/// Why bytes are not the manifest of a release.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or not these fields.
    #[error("it is not a manifest: {0}")]
    Json(#[from] serde_json::Error),
    /// A format that this program does not know.
    #[error("it has format {0}, this program knows format {FORMAT}")]
    Format(u32),
    /// There is no hash at its end.
    #[error(
        "it does not end with its sha256, as every manifest does: it was cut off, or written by another program"
    )]
    Unsealed,
    /// The hash is another one's.
    #[error("its bytes are not those of which its sha256 was made: they were damaged since")]
    Checksum,
    /// The fields contradict each other.
    #[error("{0}")]
    Contradiction(String),
    /// The release was collected, and this is its tombstone.
    #[error("the release was collected at {0}")]
    Collected(Timestamp),
}

/// What is left of the manifest of a collected release, so that its number is never free again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tombstone {
    format: u32,
    number: ReleaseNumber,
    collected: Timestamp,
}

/// No tombstone is longer than this, and no manifest as short: one shard alone has more.
pub(super) const MAX_TOMBSTONE: u64 = 128;

impl Tombstone {
    pub(super) fn of(number: ReleaseNumber, collected: Timestamp) -> Self {
        Self { format: FORMAT, number, collected }
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, ManifestError> {
        let mut json = serde_json::to_vec(self)?;
        json.push(b'\n');
        Ok(json)
    }
}

impl Manifest {
    /// Reads the manifest of release `number`, and checks that its fields agree with each other.
    pub fn from_json(number: ReleaseNumber, json: &[u8]) -> Result<Self, ManifestError> {
        /// Looked at first, so that a newer format is called that and not an unknown field.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
            collected: Option<serde::de::IgnoredAny>,
        }
        let Version { format, collected } = serde_json::from_slice(json)?;
        if format != FORMAT {
            return Err(ManifestError::Format(format));
        }
        if collected.is_some() {
            let tombstone: Tombstone = serde_json::from_slice(json)?;
            return Err(match tombstone.number == number {
                true => ManifestError::Collected(tombstone.collected),
                false => ManifestError::Contradiction(elsewhere(tombstone.number, number)),
            });
        }
        let manifest: Self = serde_json::from_slice(&unseal(json)?)?;
        manifest.check(number).map_err(ManifestError::Contradiction)?;
        Ok(manifest)
    }

    /// The bytes to be stored: the same for the same manifest.
    pub fn to_json(&self) -> Result<Vec<u8>, ManifestError> {
        Ok(seal(serde_json::to_vec(self)?))
    }

    /// The shard that holds this student, if any does.
    pub fn shard_of(&self, id: StudentId) -> Option<usize> {
        let prefix = self.width.prefix(id);
        // Mostly no prefix is missing, and the place is known without a search.
        let guess = prefix.checked_sub(self.shards.first()?.key.prefix)? as usize;
        if self.shards.get(guess).is_some_and(|shard| shard.key.prefix == prefix) {
            return Some(guess);
        }
        self.shards.binary_search_by_key(&prefix, |shard| shard.key.prefix).ok()
    }

    fn check(&self, number: ReleaseNumber) -> Result<(), String> {
        if self.number != number {
            return Err(elsewhere(self.number, number));
        }
        if self.parent.is_some_and(|parent| parent >= number) {
            return Err("its parent is not an earlier release".to_owned());
        }
        if self.repeats > self.parent {
            return Err("it repeats a release that is not an earlier one".to_owned());
        }
        if self.oldest > number {
            return Err("it keeps no release, not even itself".to_owned());
        }
        let (Some(first), Some(last)) = (self.shards.first(), self.shards.last()) else {
            return Err("it names no shard".to_owned());
        };
        if (self.first_id, self.last_id) != (first.first_id, last.last_id) {
            return Err("its first and last id are not those of its shards".to_owned());
        }
        if !self.shards.is_sorted_by(|a, b| a.key.prefix < b.key.prefix) {
            return Err("its shards are not in the order of their prefixes".to_owned());
        }
        self.shards.iter().try_for_each(|shard| shard.check(self.width))?;
        if self.shards.iter().map(|shard| u64::from(shard.students)).sum::<u64>() != self.students {
            return Err("its shards do not add up to its students".to_owned());
        }
        Ok(())
    }
}

impl ShardEntry {
    fn check(&self, width: Width) -> Result<(), String> {
        let Self { key, students, first_id, last_id, .. } = self;
        let ids = width.ids(key.prefix).filter(|ids| {
            first_id <= last_id && ids.contains(&first_id.get()) && ids.contains(&last_id.get())
        });
        let room = u64::from(last_id.get() - first_id.get().min(last_id.get())) + 1;
        if ids.is_none() || *students == 0 || u64::from(*students) > room {
            return Err(format!("shard {key} cannot hold {students} students from {first_id} to {last_id}"));
        }
        Ok(())
    }
}

fn elsewhere(said: ReleaseNumber, number: ReleaseNumber) -> String {
    format!("it calls itself release {said} and lies where {number} does")
}
