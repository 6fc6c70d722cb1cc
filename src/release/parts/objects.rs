use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    super::{Attempt, FORMAT, Manifest, ReleaseNumber, ShardEntry, ShardKey},
    Part, RunName,
};
use crate::{
    shard::{ENCODER, Width},
    source::Origin,
    student::RENDERER,
};

/// What was current when a run began, whoever of its committers and however late commits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunStart {
    /// [`FORMAT`].
    pub format: u32,
    /// The run.
    pub run: RunName,
    /// The release that was current then, if there was one.
    pub current: Option<ReleaseNumber>,
    /// Its hour.
    pub not_before: Option<Timestamp>,
}

/// What one attempt to publish in parts sets out to do. Everything else follows from it: who reads the same snapshot
/// and the same base comes to the same shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttemptPlan {
    /// [`FORMAT`].
    pub format: u32,
    /// The run that it is made for.
    pub run: RunName,
    /// The attempt. It is part of the key of everything that is written for it, and of the release that it commits.
    pub attempt: Attempt,
    /// How many parts share the work.
    pub parts: u16,
    /// When it was made, by that machine's clock. For people; nothing is decided by it.
    pub created: Timestamp,
    /// The release that was current then, and is built on; `None` for the first.
    pub base: Option<ReleaseNumber>,
    /// Blobs of the base that the store has lost.
    pub missing: Vec<ShardKey>,
    /// What is read.
    pub source: Origin,
    /// The name under which the committer has exported the snapshot. The attempt lasts as long as it is held.
    pub exported: String,
    /// The version of the documents.
    pub renderer: u32,
    /// The version of the frames.
    pub encoder: String,
    /// Whether the base says all of this already. Then nothing is committed, and the run has ended with this.
    pub up_to_date: bool,
}

/// What one part has brought into the store for an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartReport {
    /// [`FORMAT`].
    pub format: u32,
    /// The attempt.
    pub attempt: Attempt,
    /// Which part, counted from 0.
    pub part: u16,
    /// Of how many.
    pub parts: u16,
    /// How many ids share a prefix.
    pub width: Width,
    /// The shards of this part, in the order of their prefixes.
    pub shards: Vec<ShardEntry>,
    /// The prefixes of this part under which nobody has a result, in order.
    pub empty: Vec<u32>,
}

impl RunStart {
    /// The start of a run that finds this release.
    pub fn of(run: RunName, current: Option<&Manifest>) -> Self {
        Self {
            format: FORMAT,
            run,
            current: current.map(|current| current.number),
            not_before: current.and_then(|current| current.not_before),
        }
    }
}

impl AttemptPlan {
    /// A plan for a snapshot that was exported under this name.
    pub fn new(
        run: RunName,
        parts: u16,
        base: Option<&Manifest>,
        missing: Vec<ShardKey>,
        source: Origin,
        exported: String,
    ) -> Self {
        Self {
            format: FORMAT,
            run,
            attempt: Attempt::random(),
            parts,
            created: Timestamp::now(),
            base: base.map(|base| base.number),
            missing,
            source,
            exported,
            renderer: RENDERER,
            encoder: ENCODER.to_owned(),
            up_to_date: false,
        }
    }

    /// The number of the release that the attempt is for.
    pub fn number(&self) -> ReleaseNumber {
        self.base.map_or(ReleaseNumber::FIRST, ReleaseNumber::next)
    }

    /// Whether this program renders as the one that made the plan.
    pub fn is_rendered_alike(&self) -> bool {
        self.renderer == RENDERER && self.encoder == ENCODER
    }
}

impl PartReport {
    /// The report of a part that is given these shards, in order, for all of these prefixes.
    pub fn new(
        plan: &AttemptPlan,
        part: Part,
        width: Width,
        prefixes: &[u32],
        shards: Vec<ShardEntry>,
    ) -> Self {
        let is_empty = |prefix: &u32| shards.binary_search_by_key(prefix, |shard| shard.key.prefix).is_err();
        let empty = prefixes.iter().copied().filter(is_empty).collect();
        Self {
            format: FORMAT,
            attempt: plan.attempt.clone(),
            part: part.index(),
            parts: part.of(),
            width,
            shards,
            empty,
        }
    }

    /// Whether it is this part's report for this attempt.
    pub fn is_of(&self, plan: &AttemptPlan, part: Part) -> bool {
        self.attempt == plan.attempt && (self.part, self.parts) == (part.index(), part.of())
    }
}
