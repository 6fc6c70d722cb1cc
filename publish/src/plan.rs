//! What a publication has to render, given what is published already.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use results_day::{
    changes::Changed,
    release::{Manifest, ShardEntry, ShardKey},
    shard::{ENCODER, Width},
    source::{SnapshotReader, Source, SourceError},
    student::{RENDERER, StudentId},
};

/// How each shard of the next release comes about.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The width of every shard.
    pub(crate) width: Width,
    /// Prefixes of the shards to render, with their ids.
    pub(crate) render: Vec<(u32, RangeInclusive<u32>)>,
    /// Shards of the base in which few have changed: everybody else's frame is taken over.
    pub(crate) patch: Vec<Patch>,
    /// Shards of the base that hold nobody changed.
    pub(crate) keep: Vec<ShardEntry>,
}

/// A shard of the base, and who in its range of ids has changed since, in id order.
#[derive(Debug)]
pub(crate) struct Patch {
    pub(crate) base: ShardEntry,
    pub(crate) changed: Vec<StudentId>,
}

/// A shard is patched where at most one in so many of its students has changed. Looking one up takes the time of
/// rendering three, and all that are looked up are in memory at once: for a nation this many have 20 MB.
const ONE_IN: usize = 8;

impl Plan {
    /// Everything: the first publication, and wherever the current release is no base.
    pub(crate) async fn full(reader: &mut dyn SnapshotReader) -> Result<Self, SourceError> {
        let blocks = reader.census().await?;
        let width = Width::choose(&blocks);
        let prefixes = blocks.iter().map(|(block, _)| block / (width.get() / Width::DENSE.get()));
        Ok(Self { width, render: ranges(width, prefixes.collect()), patch: Vec::new(), keep: Vec::new() })
    }

    /// Only the shards that hold one of the changed students, and those whose blobs are missing.
    pub(crate) fn incremental(base: &Manifest, changed: &[StudentId], missing: &[ShardKey]) -> Self {
        let width = base.width;
        let mut touched: BTreeMap<u32, Vec<StudentId>> = BTreeMap::new();
        for id in changed {
            touched.entry(width.prefix(*id)).or_default().push(*id);
        }
        let mut plan = Self { width, render: Vec::new(), patch: Vec::new(), keep: Vec::new() };
        for shard in &base.shards {
            match touched.remove(&shard.key.prefix) {
                changed if missing.contains(&shard.key) => {
                    drop(touched.insert(shard.key.prefix, changed.unwrap_or_default()));
                }
                None => plan.keep.push(shard.clone()),
                Some(changed) if changed.len() * ONE_IN <= shard.students as usize => {
                    plan.patch.push(Patch { base: shard.clone(), changed });
                }
                Some(changed) => drop(touched.insert(shard.key.prefix, changed)),
            }
        }
        plan.render = ranges(width, touched.into_keys().collect());
        plan
    }
}

/// What changed between `base` and the reader's snapshot, or `None` where `base` cannot tell: it was read from another
/// data set or from one that was restored since, it was rendered otherwise, or everything changed.
pub(crate) async fn changed_since(
    reader: &mut dyn SnapshotReader,
    base: &Manifest,
) -> Result<Option<Vec<StudentId>>, SourceError> {
    if !is_rendered_alike(base) || !reader.holds(&base.source).await? {
        return Ok(None);
    }
    let log = reader.changes(&base.source.snapshot).await?;
    let student = |changed| match changed {
        Changed::Student(id) => Some(id),
        Changed::Everything => None,
    };
    Ok(log.iter().map(|(changed, _)| student(changed)).collect())
}

/// Whether a publication would give `base` again, without taking a snapshot for it.
pub(crate) async fn is_up_to_date(source: &dyn Source, base: &Manifest) -> Result<bool, SourceError> {
    Ok(can_tell(source, base).await? && source.changes_since(&base.source.snapshot).await?.rows.is_empty())
}

/// Whether the database can tell what changed since `base`: not where a publication would have to begin anew.
pub(crate) async fn can_tell(source: &dyn Source, base: &Manifest) -> Result<bool, SourceError> {
    Ok(is_rendered_alike(base) && source.holds(&base.source).await?)
}

fn is_rendered_alike(base: &Manifest) -> bool {
    base.renderer == RENDERER && base.encoder == ENCODER
}

fn ranges(width: Width, prefixes: BTreeSet<u32>) -> Vec<(u32, RangeInclusive<u32>)> {
    prefixes.into_iter().filter_map(|prefix| Some((prefix, width.ids(prefix)?))).collect()
}
