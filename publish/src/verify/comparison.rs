//! A release beside the database that it was read from.
//!
//! The change log says who has changed since the release's snapshot: their state of then is gone. Everybody else is
//! in the database as on the day of the snapshot, and must be in the release like that.

use std::{cmp::Ordering, collections::BTreeSet, fmt, ops::RangeInclusive, sync::Arc, vec};

use anyhow::{Context, bail};
use results_day::{
    changes::{ChangeLog, Snapshot},
    release::{Differences, Inspected, Manifest},
    shard::{self, Shard, Width},
    source::{SnapshotReader, Source, SourceError},
    student::{self, RENDERER, Student, StudentId},
};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};

use super::report::Difference;

/// Batches read ahead of the release's shards.
const READ_AHEAD: usize = 4;

/// What a comparison came to.
#[derive(Debug)]
pub(super) enum Compared {
    /// So many students are the same in both, and so many have changed since the release, in it or not.
    Students { same: u64, changed: u64 },
    /// Nobody in the database is known to be as on the day of the release.
    Nobody,
    /// The database cannot tell, for this reason.
    Impossible(String),
}

/// A comparison at work.
pub(super) enum Comparison {
    Students(Box<Students>),
    /// There is nothing to be done.
    Over(Compared),
}

/// The students of the database, as they come by shard by shard.
pub(super) struct Students {
    /// The shards that either side has, ascending.
    prefixes: vec::IntoIter<u32>,
    batches: mpsc::Receiver<Vec<Student>>,
    reading: JoinHandle<Result<(), SourceError>>,
    unchanged: Unchanged,
    same: u64,
}

/// Who has not changed since the release.
#[derive(Clone)]
struct Unchanged {
    log: Arc<ChangeLog>,
    since: Snapshot,
}

impl Comparison {
    /// Takes a snapshot of the database.
    pub(super) async fn begin(source: &dyn Source, manifest: &Manifest) -> anyhow::Result<Self> {
        if manifest.renderer != RENDERER {
            let why =
                format!("its documents are of renderer {}, and this program's {RENDERER}", manifest.renderer);
            return Ok(Self::Over(Compared::Impossible(why)));
        }
        let mut reader = source.snapshot().await?;
        if !reader.holds(&manifest.source).await? {
            let why = format!(
                "{} cannot tell, because it holds another data set than the release was read from, or was restored from a backup \
                 that is older",
                source.place()
            );
            return Ok(Self::Over(Compared::Impossible(why)));
        }
        let log = reader.changes(&manifest.source.snapshot).await?;
        let since = manifest.source.snapshot.clone();
        if log.everything().is_some_and(|change| !since.sees(change.transaction)) {
            return Ok(Self::Over(Compared::Nobody));
        }
        let (prefixes, ranges) = shards_of_either(reader.as_mut(), manifest).await?.into_iter().unzip();
        let (sender, batches) = mpsc::channel(READ_AHEAD);
        let reading = tokio::spawn(reader.read(ranges, sender));
        let prefixes: Vec<u32> = prefixes;
        let unchanged = Unchanged { log: Arc::new(log), since };
        let students = Students { prefixes: prefixes.into_iter(), batches, reading, unchanged, same: 0 };
        Ok(Self::Students(Box::new(students)))
    }

    /// Compares the next shard of the release, and before it those that only the database has.
    pub(super) async fn compare(
        &mut self,
        shard: Inspected,
        differences: &mut Differences<Difference>,
    ) -> anyhow::Result<()> {
        let Self::Students(students) = self else { return Ok(()) };
        let prefix = shard.entry.key.prefix;
        while let Some((next, batch)) = students.next().await? {
            match next.cmp(&prefix) {
                Ordering::Less => students.compare(None, batch, differences).await?,
                // What could not be read is a difference already, and says nothing of its students.
                _ if shard.shard.is_none() => return Ok(()),
                _ => return students.compare(shard.shard, batch, differences).await,
            }
        }
        Ok(())
    }

    /// Compares what the database has behind the last shard of the release.
    pub(super) async fn end(self, differences: &mut Differences<Difference>) -> anyhow::Result<Compared> {
        let mut students = match self {
            Self::Over(compared) => return Ok(compared),
            Self::Students(students) => students,
        };
        while let Some((_, batch)) = students.next().await? {
            students.compare(None, batch, differences).await?;
        }
        students.reading.await.context("the reader of the database died")??;
        let Unchanged { log, since } = &students.unchanged;
        Ok(Compared::Students { same: students.same, changed: log.since(since) as u64 })
    }
}

impl Students {
    /// The next shard's students. A batch that does not come is the reader's failure.
    async fn next(&mut self) -> anyhow::Result<Option<(u32, Vec<Student>)>> {
        let Some(prefix) = self.prefixes.next() else { return Ok(None) };
        if let Some(batch) = self.batches.recv().await {
            return Ok(Some((prefix, batch)));
        }
        (&mut self.reading).await.context("the reader of the database died")??;
        bail!("the database brought fewer students than it was asked for")
    }

    async fn compare(
        &mut self,
        shard: Option<Shard>,
        students: Vec<Student>,
        differences: &mut Differences<Difference>,
    ) -> anyhow::Result<()> {
        let unchanged = self.unchanged.clone();
        let compared = spawn_blocking(move || compare(shard.as_ref(), &students, &unchanged));
        let (same, found) = compared.await.context("the comparison died")?;
        self.same += same;
        differences.append(found);
        Ok(())
    }
}

impl Unchanged {
    fn is(&self, id: StudentId) -> bool {
        self.log.standing(id).seen_by(&self.since)
    }
}

/// How many students are the same in both, and who is not. Both sides are in id order.
fn compare(
    shard: Option<&Shard>,
    students: &[Student],
    unchanged: &Unchanged,
) -> (u64, Differences<Difference>) {
    let mut same = 0;
    let mut differences = Differences::default();
    let mut published = shard.into_iter().flat_map(Shard::ids).filter(|id| unchanged.is(*id)).peekable();
    let mut document = Vec::new();
    for student in students.iter().filter(|student| unchanged.is(student.id)) {
        while let Some(id) = published.next_if(|id| *id < student.id) {
            differences.push(Difference::OnlyInRelease(id));
        }
        if published.next_if_eq(&student.id).is_none() {
            differences.push(Difference::OnlyInDatabase(student.id));
            continue;
        }
        document.clear();
        student::render(student, &mut document);
        // A frame that is damaged is a difference already, and says nothing of its student.
        let frame = shard.and_then(|shard| shard.find(student.id).ok().flatten());
        match frame.and_then(|frame| shard::decompress(&frame.bytes).ok()) {
            Some(published) if published == document => same += 1,
            Some(_) => differences.push(Difference::Document(student.id)),
            None => {}
        }
    }
    differences.extend(published.map(Difference::OnlyInRelease));
    (same, differences)
}

/// The prefixes of the release's shards and of those that the database's students would be in, with their ids.
async fn shards_of_either(
    reader: &mut dyn SnapshotReader,
    manifest: &Manifest,
) -> Result<Vec<(u32, RangeInclusive<u32>)>, SourceError> {
    let mut prefixes: BTreeSet<u32> = manifest.shards.iter().map(|shard| shard.key.prefix).collect();
    for (block, _) in reader.census().await? {
        // Shards may be wider than the blocks that are counted, or narrower.
        let first = block.saturating_mul(Width::DENSE.get());
        let last = first.saturating_add(Width::DENSE.get() - 1);
        prefixes.extend(first / manifest.width.get()..=last / manifest.width.get());
    }
    Ok(prefixes.into_iter().filter_map(|prefix| Some((prefix, manifest.width.ids(prefix)?))).collect())
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Students { same, changed } => {
                let are = if *same == 1 { "is" } else { "are" };
                let have = if *changed == 1 { "has" } else { "have" };
                write!(f, "{same} of its students {are} as in the database, {changed} {have} changed since")
            }
            Self::Nobody => {
                write!(f, "everything has changed in the database since, so nobody could be compared")
            }
            Self::Impossible(why) => write!(f, "it cannot be compared with the database: {why}"),
        }
    }
}
