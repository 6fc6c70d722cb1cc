//! What a publication has to render, given what is published already.

use std::{collections::BTreeSet, ops::RangeInclusive};

use results_day::{
    changes::Changed,
    release::{Manifest, ShardEntry},
    shard::{ENCODER, Width},
    source::{SnapshotReader, Source, SourceError},
    student::RENDERER,
};

/// The shards to render and the ones to take over unread.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The width of every shard.
    pub(crate) width: Width,
    /// Prefixes of the shards to render, with their ids.
    pub(crate) render: Vec<(u32, RangeInclusive<u32>)>,
    /// Shards of the base that hold nobody changed.
    pub(crate) keep: Vec<ShardEntry>,
}

impl Plan {
    /// Everything: the first publication, and wherever the current release is no base.
    pub(crate) async fn full(reader: &mut dyn SnapshotReader) -> Result<Self, SourceError> {
        let blocks = reader.census().await?;
        let width = Width::choose(&blocks);
        let prefixes = blocks.iter().map(|(block, _)| block / (width.get() / Width::DENSE.get()));
        Ok(Self { width, render: ranges(width, prefixes.collect()), keep: Vec::new() })
    }

    /// Only the shards that hold one of the changed students.
    pub(crate) fn incremental(base: &Manifest, changed: &[Changed]) -> Self {
        let width = base.width;
        let prefixes: BTreeSet<u32> = changed
            .iter()
            .filter_map(|changed| match changed {
                Changed::Student(id) => Some(width.prefix(*id)),
                Changed::Everything => None,
            })
            .collect();
        let keep = base.shards.iter().filter(|shard| !prefixes.contains(&shard.key.prefix));
        Self { width, keep: keep.cloned().collect(), render: ranges(width, prefixes) }
    }
}

/// What changed between `base` and the reader's snapshot, or `None` where `base` cannot tell: it was read from another
/// data set or from one that was restored since, it was rendered otherwise, or everything changed.
pub(crate) async fn changed_since(
    reader: &mut dyn SnapshotReader,
    base: &Manifest,
) -> Result<Option<Vec<Changed>>, SourceError> {
    if !is_rendered_alike(base) || !reader.holds(&base.source).await? {
        return Ok(None);
    }
    let log = reader.changes().await?;
    let news = log.iter().filter(|(_, change)| !base.source.snapshot.sees(change.transaction));
    let changed: Vec<_> = news.map(|(changed, _)| changed).collect();
    Ok((!changed.contains(&Changed::Everything)).then_some(changed))
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
