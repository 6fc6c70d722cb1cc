use std::{ops::AddAssign, pin::pin};

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};

use super::{Differences, Manifest, ReleaseError, ReleaseNumber, ReleaseStore, ShardEntry};
use crate::{
    shard::{self, Frame, Shard, ShardError},
    student::{self, RENDERER, StudentId},
};

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

/// One shard of a release, read again.
#[derive(Debug)]
pub struct Inspected {
    /// What the manifest says of it.
    pub entry: ShardEntry,
    /// The shard, where the blob is one. Some of its frames may be damaged or wrong all the same.
    pub shard: Option<Shard>,
    /// What has been read of it.
    pub read: Verified,
    /// Everything that is not as it should be.
    pub differences: Differences<ReleaseError>,
}

/// Blobs read at once: reading one waits for the store, checking one for a processor.
const AT_ONCE: usize = 8;

impl ReleaseStore {
    /// Reads a whole release again, as [`inspect`](Self::inspect) does. Ends at the first thing that is wrong.
    pub async fn verify(&self, number: ReleaseNumber) -> Result<(Manifest, Verified), ReleaseError> {
        let manifest = self.manifest(number).await?.ok_or(ReleaseError::Absent(number))?;
        let mut verified = Verified::default();
        let mut shards = pin!(self.inspect(&manifest));
        while let Some(shard) = shards.try_next().await? {
            verified += shard.into_result()?.read;
        }
        Ok((manifest, verified))
    }

    /// Reads every shard of a release again, in the order of the prefixes: the blob's size and hash, its structure,
    /// every frame's hash, every document, every count. What is wrong with one does not end it.
    ///
    /// A blob that cannot be read is a difference. Where as many in a row as are read at once cannot be, it is the
    /// store that is away, and that is an error: nothing can be said of the rest.
    pub fn inspect(
        &self,
        manifest: &Manifest,
    ) -> impl Stream<Item = Result<Inspected, ReleaseError>> + Send + use<'_> {
        let renderer = manifest.renderer;
        let mut unread = 0;
        stream::iter(manifest.shards.clone())
            .map(move |entry| self.inspect_shard(entry, renderer))
            .buffered(AT_ONCE)
            .map(move |shard| {
                unread = if shard.is_unread() { unread + 1 } else { 0 };
                if unread < AT_ONCE { Ok(shard) } else { shard.into_result() }
            })
    }

    async fn inspect_shard(&self, entry: ShardEntry, renderer: u32) -> Inspected {
        match self.download(&entry).await {
            Ok(blob) => {
                let checked = tokio::task::spawn_blocking(move || Inspected::check(entry, blob, renderer));
                checked.await.unwrap_or_else(|died| std::panic::resume_unwind(died.into_panic()))
            }
            Err(error) => {
                let mut differences = Differences::default();
                differences.push(error);
                Inspected { entry, shard: None, read: Verified::default(), differences }
            }
        }
    }
}

impl Inspected {
    /// The shard if it is whole, and the first difference if not.
    pub fn into_result(mut self) -> Result<Self, ReleaseError> {
        std::mem::take(&mut self.differences).into_result()?;
        Ok(self)
    }

    /// Checks a blob of the right length. One that has another hash is looked into all the same: that tells whose
    /// documents are hit.
    fn check(entry: ShardEntry, blob: Bytes, renderer: u32) -> Self {
        let mut read = Verified { shards: 1, students: 0, bytes: blob.len() as u64 };
        let mut differences = Differences::default();
        differences.extend(entry.check_digest(&blob).err());
        let shard = match entry.open_any(blob) {
            Err(error) => {
                differences.push(error);
                None
            }
            Ok(shard) => {
                differences.extend(entry.differences(&shard));
                differences
                    .extend(shard.frames().filter_map(|frame| check_frame(&entry, frame, renderer).err()));
                read.students = shard.students() as u64;
                Some(shard)
            }
        };
        Self { entry, shard, read, differences }
    }

    /// Whether the store gave no answer, not even that there is no such blob.
    fn is_unread(&self) -> bool {
        self.differences.first().first().is_some_and(ReleaseError::is_unanswered)
    }
}

fn check_frame(
    entry: &ShardEntry,
    frame: Result<(StudentId, Frame), ShardError>,
    renderer: u32,
) -> Result<(), ReleaseError> {
    let key = || entry.key.to_string();
    let broken = |error| ReleaseError::Shard { key: key(), error };
    let (id, frame) = frame.map_err(broken)?;
    let document =
        shard::decompress(&frame.bytes).map_err(|error| broken(ShardError::Frame { id, error }))?;
    let wrong = |error| ReleaseError::Document { key: key(), id, error };
    let found = student::document_id(&document).map_err(wrong)?;
    if found != id {
        return Err(ReleaseError::WrongStudent { key: key(), id, found });
    }
    // What another renderer makes of a student is not known here.
    if renderer == RENDERER {
        student::parse(&document).map_err(wrong)?;
    }
    Ok(())
}

impl AddAssign for Verified {
    fn add_assign(&mut self, other: Self) {
        self.shards += other.shards;
        self.students += other.students;
        self.bytes += other.bytes;
    }
}
