use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, future, stream};
use jiff::Timestamp;
use object_store::{Error, ObjectMeta, ObjectStoreExt, path::Path};

use super::{
    Commit, Manifest, ReleaseError, ReleaseNumber, ReleaseStore, ShardKey,
    litter::{self, Litter},
    manifest::{MAX_TOMBSTONE, Tombstone},
    parts,
    probe::{self, timestamp},
};

/// What a collection spares.
#[derive(Debug, Clone, Copy)]
pub struct Spared {
    /// How many of the newest releases that differ from each other; at least one.
    pub releases: usize,
    /// What was named by the current release so recently, or written so recently, whoever wrote it: a server may
    /// still be reading it.
    pub grace: Duration,
}

/// What a collection takes, or took, away.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Collection {
    /// The oldest release that is kept.
    pub oldest: Option<ReleaseNumber>,
    /// The release that was committed as the fence; none where nothing was there to collect.
    pub fence: Option<ReleaseNumber>,
    /// The releases of which the number alone is left.
    pub releases: Vec<ReleaseNumber>,
    /// The blobs that no kept release names, and what dead programs left.
    pub objects: u64,
    /// The bytes of those.
    pub bytes: u64,
}

/// No store keeps a program waiting so long for an answer.
const PROBING: Duration = Duration::from_secs(3_600);

impl ReleaseStore {
    /// What [`collect`](Self::collect) would take away if it were called now.
    pub async fn collectable(&self, spared: Spared) -> Result<Collection, ReleaseError> {
        let kept = self.listed().await?;
        if kept.is_empty() {
            return Ok(Collection::default());
        }
        let now = Timestamp::now();
        let oldest = oldest(&kept, spared, now);
        Ok(self.doomed(&kept, oldest, spared, now).await?.summary(None))
    }

    /// Commits a fence, and then takes away what no kept release names.
    ///
    /// The fence is a release equal to the current one that says which releases are kept. A publisher that began before
    /// it loses the race for its number, and names nothing that it wrote before; one that begins after it writes what
    /// is younger than the fence, and builds on what is kept; a rollback goes to what is kept. So nothing that is
    /// deleted can ever be named.
    pub async fn collect(&self, spared: Spared) -> Result<Collection, ReleaseError> {
        loop {
            let mut kept = self.listed().await?;
            let Some((current, _)) = kept.last() else { return Ok(Collection::default()) };
            let now = self.now().await?;
            let oldest = oldest(&kept, spared, now);
            let doomed = self.doomed(&kept, oldest, spared, now).await?;
            if doomed.is_empty() {
                return Ok(doomed.summary(None));
            }
            let fence = Manifest { oldest, ..current.repeated(current, current.not_before) };
            if self.commit(&fence).await? == Commit::Lost {
                continue;
            }
            let path = fence.number.path();
            let committed = self.objects.head(&path).await.map_err(ReleaseError::store("reading", &path))?;
            // By the clock that says when an object was written.
            let now = timestamp(&committed);
            let number = fence.number;
            kept.push((fence, Some(committed)));
            let doomed = self.doomed(&kept, oldest, spared, now).await?;
            self.take_away(&doomed, now).await?;
            return Ok(doomed.summary(Some(number)));
        }
    }

    /// The releases that are kept, the newest last, and what the store lists of them. They are asked for by their
    /// numbers: a listing that lags would leave some out, and what they name would be taken away.
    async fn listed(&self) -> Result<Vec<Kept>, ReleaseError> {
        let listed = self.list(ReleaseNumber::FOLDER).await?;
        let mut listed: HashMap<Path, ObjectMeta> =
            listed.into_iter().map(|object| (object.location.clone(), object)).collect();
        let kept = self.kept().await?.into_iter().map(|manifest| {
            let object = listed.remove(&manifest.number.path());
            (manifest, object)
        });
        Ok(kept.collect())
    }

    async fn doomed(
        &self,
        kept: &[Kept],
        oldest: ReleaseNumber,
        spared: Spared,
        now: Timestamp,
    ) -> Result<Doomed, ReleaseError> {
        let named: HashSet<Path> = kept
            .iter()
            .filter(|(manifest, _)| manifest.number >= oldest)
            .flat_map(|(manifest, _)| manifest.shards.iter().map(|shard| shard.key.path()))
            .collect();
        let mut objects = Vec::new();
        // A probe is spared as long as anybody may still be at it, to whom it would look as if the store had lost it.
        let probes = Spared { grace: spared.grace.max(PROBING), ..spared };
        let folders = [(ShardKey::FOLDER, spared), (parts::FOLDER, spared), (probe::FOLDER, probes)];
        for (folder, spared) in folders {
            let there = self.list(folder).await?;
            let is_doomed =
                |object: &ObjectMeta| is_old(object, spared, now) && !named.contains(&object.location);
            objects.extend(there.into_iter().filter(is_doomed));
        }
        let manifests = self.list(ReleaseNumber::FOLDER).await?.into_iter().filter_map(|object| {
            let number = ReleaseNumber::at(&object.location)?;
            (number < oldest && object.size > MAX_TOMBSTONE).then_some(number)
        });
        let mut releases: Vec<_> = manifests.collect();
        releases.sort_unstable();
        Ok(Doomed { oldest, releases, objects, litter: litter::find(self.directory(), now, spared.grace)? })
    }

    async fn take_away(&self, doomed: &Doomed, now: Timestamp) -> Result<(), ReleaseError> {
        // The manifests come first: one that is there names blobs that are there.
        for number in &doomed.releases {
            self.bury(*number, now).await?;
        }
        let paths: Vec<_> = doomed.objects.iter().map(|object| Ok(object.location.clone())).collect();
        let deleted = self.objects.delete_stream(stream::iter(paths).boxed());
        // What is gone already, another collector has deleted, or a listing that lags still showed.
        let deleted =
            deleted.filter(|deleted| future::ready(!matches!(deleted, Err(Error::NotFound { .. }))));
        let deleted = deleted.try_for_each(|_| future::ready(Ok(())));
        deleted.await.map_err(ReleaseError::store("deleting", "what no release names"))?;
        if let Some(bucket) = self.directory() {
            litter::remove_emptied(bucket, doomed.objects.iter().map(|object| object.location.as_ref()));
        }
        litter::remove(&doomed.litter)
    }

    /// Puts a tombstone in the place of the manifest of a release that is not kept. Of all objects in the bucket only
    /// this one is ever written over; two collectors may both write it.
    pub async fn bury(&self, number: ReleaseNumber, collected: Timestamp) -> Result<(), ReleaseError> {
        let key = number.path();
        let json = Tombstone::of(number, collected).to_json();
        let json = json.map_err(|error| ReleaseError::Manifest { key: key.to_string(), error })?;
        self.objects.put(&key, json.into()).await.map(drop).map_err(ReleaseError::store("collecting", &key))
    }
}

/// A release, and what the store lists of it, if it does.
type Kept = (Manifest, Option<ObjectMeta>);

/// What there is to take away.
struct Doomed {
    oldest: ReleaseNumber,
    releases: Vec<ReleaseNumber>,
    objects: Vec<ObjectMeta>,
    litter: Vec<Litter>,
}

impl Doomed {
    fn is_empty(&self) -> bool {
        self.releases.is_empty() && self.objects.is_empty() && self.litter.is_empty()
    }

    fn summary(self, fence: Option<ReleaseNumber>) -> Collection {
        let sizes = self.objects.iter().map(|object| object.size);
        let sizes = sizes.chain(self.litter.iter().map(|litter| litter.bytes));
        Collection {
            oldest: Some(self.oldest),
            fence,
            releases: self.releases,
            objects: (self.objects.len() + self.litter.len()) as u64,
            bytes: sizes.sum(),
        }
    }
}

/// The oldest release to keep: so many that differ from each other, and all that were current within the grace period.
fn oldest(kept: &[Kept], spared: Spared, now: Timestamp) -> ReleaseNumber {
    let mut oldest = ReleaseNumber::FIRST;
    let mut newer: Option<&Kept> = None;
    let mut differing = 0;
    for release in kept.iter().rev() {
        let (manifest, _) = release;
        differing += usize::from(newer.is_none_or(|(newer, _)| !newer.shows_what_is_in(manifest)));
        // It was current until the next one was there.
        let is_over =
            newer.is_some_and(|(_, next)| next.as_ref().is_some_and(|next| is_old(next, spared, now)));
        if differing > spared.releases.max(1) && is_over {
            break;
        }
        oldest = manifest.number;
        newer = Some(release);
    }
    oldest_with_an_hour(kept, now).map_or(oldest, |waiting| waiting.min(oldest))
}

/// The oldest of the releases that an hour to come is known from: that of a data set is told by its newest release.
fn oldest_with_an_hour(kept: &[Kept], now: Timestamp) -> Option<ReleaseNumber> {
    let mut seen = HashSet::new();
    let newest = kept.iter().rev().filter(|(manifest, _)| seen.insert(&manifest.source.data_set));
    let waiting = newest.filter(|(manifest, _)| manifest.not_before.is_some_and(|hour| hour > now));
    waiting.map(|(manifest, _)| manifest.number).min()
}

fn is_old(object: &ObjectMeta, spared: Spared, now: Timestamp) -> bool {
    let grace = i64::try_from(spared.grace.as_secs()).unwrap_or(i64::MAX);
    object.last_modified.timestamp().saturating_add(grace) < now.as_second()
}
