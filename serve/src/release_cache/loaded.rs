use std::sync::Arc;

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
    shards: Vec<Held>,
}

/// A shard as this server holds it.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) shard: Shard,
    /// Why it is in memory and not on disk, if so.
    pub(super) unkept: Option<Arc<str>>,
}

impl LoadedRelease {
    pub(super) fn new(manifest: Manifest, shards: Vec<Held>) -> Self {
        Self { manifest, shards }
    }

    /// Where the student's frame is, if the release has the student.
    pub(crate) fn locate(&self, id: StudentId) -> Result<Option<Found<'_>>, ShardError> {
        match self.manifest.shard_of(id).and_then(|place| self.shards.get(place)) {
            Some(held) => held.shard.locate(id),
            None => Ok(None),
        }
    }

    /// Whether this and the release of that manifest were read from one data set.
    pub(crate) fn is_of_the_data_set_of(&self, other: &Manifest) -> bool {
        self.manifest.source.data_set == other.source.data_set
    }

    /// Whether all of it is on disk, so that a restart needs no store.
    pub(crate) fn is_kept(&self) -> bool {
        self.unkept().next().is_none()
    }

    /// Why shards are not on disk, one reason for each.
    pub(crate) fn unkept(&self) -> impl Iterator<Item = &str> {
        self.shards.iter().filter_map(|held| held.unkept.as_deref())
    }

    /// The shards, for a release that names some of them again.
    pub(super) fn shards(&self) -> impl Iterator<Item = (&ShardEntry, &Held)> {
        self.manifest.shards.iter().zip(&self.shards)
    }
}

impl Held {
    pub(super) fn on_disk(shard: Shard) -> Self {
        Self { shard, unkept: None }
    }
}
