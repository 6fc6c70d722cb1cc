use results_day::{
    release::{Manifest, ShardEntry},
    shard::{Found, Shard, ShardError},
    student::StudentId,
};

/// A release whose every shard is here, checked and mapped.
#[derive(Debug)]
pub(crate) struct LoadedRelease {
    /// What the release is.
    pub(crate) manifest: Manifest,
    /// The shards, in the manifest's order.
    shards: Vec<Shard>,
}

impl LoadedRelease {
    pub(super) fn new(manifest: Manifest, shards: Vec<Shard>) -> Self {
        Self { manifest, shards }
    }

    /// Where the student's frame is, if the release has the student.
    pub(crate) fn locate(&self, id: StudentId) -> Result<Option<Found<'_>>, ShardError> {
        match self.manifest.shard_of(id).and_then(|place| self.shards.get(place)) {
            Some(shard) => shard.locate(id),
            None => Ok(None),
        }
    }

    /// The shards, for a release that names some of them again.
    pub(super) fn shards(&self) -> impl Iterator<Item = (&ShardEntry, &Shard)> {
        self.manifest.shards.iter().zip(&self.shards)
    }
}
