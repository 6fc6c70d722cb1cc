//! What a publication has to render, given what is published already.

use std::{collections::BTreeMap, ops::RangeInclusive};

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
    /// Shards to render as a whole.
    pub(crate) render: Vec<Render>,
    /// Shards of the base in which few have changed: everybody else's frame is taken over.
    pub(crate) patch: Vec<Patch>,
    /// Shards of the base that hold nobody changed.
    pub(crate) keep: Vec<ShardEntry>,
}

/// A shard that is rendered from the rows of its ids.
#[derive(Debug)]
pub(crate) struct Render {
    pub(crate) prefix: u32,
    pub(crate) ids: RangeInclusive<u32>,
    /// About how many students it will hold.
    pub(crate) students: u32,
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
    /// What there is to do on top of `base`, of whose blobs the store lacks some.
    pub(crate) async fn of(
        reader: &mut dyn SnapshotReader,
        base: Option<&Manifest>,
        missing: &[ShardKey],
    ) -> Result<Self, SourceError> {
        let changed = match base {
            Some(base) => changed_since(reader, base).await?.map(|changed| (base, changed)),
            None => None,
        };
        match changed {
            Some((base, changed)) => Ok(Self::incremental(base, &changed, missing)),
            None => Self::full(reader).await,
        }
    }

    /// How many shards there are to render and to patch.
    pub(crate) fn steps(&self) -> usize {
        self.render.len() + self.patch.len()
    }

    /// Whether nothing of `base` has changed.
    pub(crate) fn keeps_all_of(&self, base: &Manifest) -> bool {
        self.steps() == 0 && self.keep.len() == base.shards.len()
    }

    /// Everything: the first publication, and wherever the current release is no base.
    async fn full(reader: &mut dyn SnapshotReader) -> Result<Self, SourceError> {
        let blocks = reader.census().await?;
        let width = Width::choose(&blocks);
        let mut students = BTreeMap::new();
        for (block, count) in blocks {
            *students.entry(block / (width.get() / Width::DENSE.get())).or_default() += count;
        }
        Ok(Self { width, render: render(width, students), patch: Vec::new(), keep: Vec::new() })
    }

    /// Only the shards that hold one of the changed students, and those whose blobs are missing.
    fn incremental(base: &Manifest, changed: &[StudentId], missing: &[ShardKey]) -> Self {
        let width = base.width;
        let mut touched: BTreeMap<u32, Vec<StudentId>> = BTreeMap::new();
        for id in changed {
            touched.entry(width.prefix(*id)).or_default().push(*id);
        }
        let mut plan = Self { width, render: Vec::new(), patch: Vec::new(), keep: Vec::new() };
        let mut students = BTreeMap::new();
        for shard in &base.shards {
            match touched.remove(&shard.key.prefix) {
                None if !missing.contains(&shard.key) => plan.keep.push(shard.clone()),
                Some(changed)
                    if changed.len() * ONE_IN <= shard.students as usize && !missing.contains(&shard.key) =>
                {
                    plan.patch.push(Patch { base: shard.clone(), changed });
                }
                _ => drop(students.insert(shard.key.prefix, shard.students)),
            }
        }
        // What is left is under prefixes that the base has not.
        let new = touched.into_iter().map(|(prefix, changed)| (prefix, changed.len() as u32));
        students.extend(new);
        plan.render = render(width, students);
        plan
    }
}

/// What changed between `base` and the reader's snapshot, or `None` where `base` cannot tell: it was read from another
/// data set or from one that was restored since, it was rendered otherwise, or everything changed.
async fn changed_since(
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

/// The shards to render under these prefixes, with so many students each.
fn render(width: Width, students: BTreeMap<u32, u32>) -> Vec<Render> {
    let render = |(prefix, students)| Some(Render { prefix, ids: width.ids(prefix)?, students });
    students.into_iter().filter_map(render).collect()
}
