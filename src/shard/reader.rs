use std::{
    cmp::Ordering,
    ops::{Range, RangeInclusive},
};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::{Frame, ShardError, decompressed_size, frame, layout::*, prefetch::prefetch};
use crate::student::StudentId;

/// A shard in memory, mapped or not. [`open`](Self::open) checks the structure once; finding a student then
/// takes a binary search and no allocation.
///
/// Mapped bytes can change under a reader when the disk below them fails. So nothing that `open` found is
/// taken for granted: a look-up that finds a frame checks its bounds and its hash again, and one that finds none checks
/// the index, so that nobody is missed for want of a sound one.
#[derive(Debug, Clone)]
pub struct Shard {
    blob: Bytes,
    students: usize,
    first_id: u32,
    frames_end: usize,
    /// Of the index, as it was checked.
    index_hash: u64,
}

impl Shard {
    /// Reads the index of a shard that holds students with these ids and no others.
    pub fn open(blob: Bytes, ids: RangeInclusive<u32>) -> Result<Self, ShardError> {
        let table = SeekTable::find(&blob)?;
        let index = table.last_entry()?;
        let shard = Self::with_index(blob.clone(), index)?;
        shard.check_entries(&ids)?;
        shard.check_seek_table(&table)?;
        Ok(Self { index_hash: shard.hash_index(), ..shard })
    }

    /// The smallest and the greatest id.
    pub fn ends(&self) -> (u32, u32) {
        (self.first_id, self.id(self.students - 1).unwrap_or(0))
    }

    /// How many students there are.
    pub fn students(&self) -> usize {
        self.students
    }

    /// Every student's id, ascending, whatever became of the frames.
    pub fn ids(&self) -> impl Iterator<Item = StudentId> {
        (0..self.students).filter_map(|place| StudentId::new(self.id(place)?).ok())
    }

    /// The whole blob as it lies there, which is for copying and hashing it: a document leaves through
    /// [`Found::check`].
    pub fn blob(&self) -> &Bytes {
        &self.blob
    }

    /// The student's frame, if the student is in this shard.
    pub fn find(&self, id: StudentId) -> Result<Option<Frame>, ShardError> {
        self.locate(id)?.map(Found::check).transpose()
    }

    /// Where the student's frame is, if the student is in this shard. The processor is asked to fetch its
    /// bytes, so that what the caller does before [`Found::check`] costs no waiting.
    pub fn locate(&self, id: StudentId) -> Result<Option<Found<'_>>, ShardError> {
        let Some(place) = self.place(id) else {
            // 16 bytes a student: a microsecond or two, which only whoever is not there has to wait for.
            return if self.hash_index() == self.index_hash { Ok(None) } else { Err(ShardError::Index) };
        };
        let found = self.found(place, id)?;
        prefetch(found.bytes());
        Ok(Some(found))
    }

    /// Every student with the frame, in id order. What only other tools use is checked here, too: the sizes of
    /// the documents in the seek table, and that the index has none.
    pub fn frames(&self) -> impl Iterator<Item = Result<(StudentId, Frame), ShardError>> {
        let table = SeekTable::find(&self.blob);
        let index = table.as_ref().ok().and_then(|table| table.document_size(self.students));
        let frames = (0..self.students).map(move |place| {
            let number = self.id(place).unwrap_or(0);
            let id = StudentId::new(number).map_err(|_| ShardError::Id { id: number, place })?;
            let frame = self.found(place, id)?.check()?;
            let size = decompressed_size(&frame.bytes).map_err(|error| ShardError::Frame { id, error })?;
            if table.as_ref().ok().and_then(|table| table.document_size(place)) != Some(size) {
                return Err(ShardError::SeekTable("a document's size"));
            }
            Ok((id, frame))
        });
        let of_index =
            (index != Some(0)).then_some(Err(ShardError::SeekTable("the index is said to hold a document")));
        frames.chain(of_index)
    }

    fn with_index(blob: Bytes, (start, end): (usize, usize)) -> Result<Self, ShardError> {
        const PART: &str = "the index";
        let truncated = ShardError::Truncated { bytes: blob.len(), part: PART };
        let body = start + SKIPPABLE_HEADER;
        if u32_at(&blob, start) != Some(INDEX_MAGIC) {
            return Err(ShardError::Magic { part: PART, offset: start });
        }
        if u32_at(&blob, start + 4).map(|size| size as usize) != end.checked_sub(body) {
            return Err(ShardError::SeekTable("the index's size"));
        }
        if blob.get(body..body + 4) != Some(&INDEX_TAG) {
            return Err(ShardError::Magic { part: PART, offset: body });
        }
        let version = u32_at(&blob, body + 4).ok_or(truncated.clone())?;
        if version != INDEX_VERSION {
            return Err(ShardError::Version(version));
        }
        let students = u32_at(&blob, body + 8).ok_or(truncated.clone())? as usize;
        let size = students.checked_mul(INDEX_ENTRY).and_then(|entries| entries.checked_add(INDEX_HEADER));
        if size != Some(end - body) {
            return Err(truncated);
        }
        if students == 0 {
            return Err(ShardError::Empty);
        }
        let first_id = u32_at(&blob, body + INDEX_HEADER + ENTRY_ID).ok_or(truncated)?;
        Ok(Self { blob, students, first_id, frames_end: start, index_hash: 0 })
    }

    fn check_entries(&self, ids: &RangeInclusive<u32>) -> Result<(), ShardError> {
        let mut last = 0;
        let mut end = 0;
        for place in 0..self.students {
            let id = self.id(place).unwrap_or(0);
            if id <= last || !ids.contains(&id) || StudentId::new(id).is_err() {
                return Err(ShardError::Id { id, place });
            }
            let range = self.frame_range(place).filter(|range| range.start == end && range.end > end);
            end = range.ok_or(ShardError::Offset { place })?.end;
            last = id;
        }
        Ok(())
    }

    fn check_seek_table(&self, table: &SeekTable<'_>) -> Result<(), ShardError> {
        if table.entries != self.students + 1 {
            return Err(ShardError::SeekTable("the number of frames"));
        }
        for place in 0..self.students {
            let range = self.frame_range(place).unwrap_or_default();
            if table.compressed_size(place) != Some(range.len()) {
                return Err(ShardError::SeekTable("a frame's size"));
            }
        }
        Ok(())
    }

    /// Where the student's entry is. Ids are mostly dense, so it is looked for first where it would be if
    /// none were missing.
    fn place(&self, id: StudentId) -> Option<usize> {
        let guess = id.get().checked_sub(self.first_id)? as usize;
        if guess < self.students && self.id(guess) == Some(id.get()) {
            return Some(guess);
        }
        let (mut low, mut high) = (0, self.students);
        while low < high {
            let middle = low.midpoint(high);
            match self.id(middle)?.cmp(&id.get()) {
                Ordering::Equal => return Some(middle),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn hash_index(&self) -> u64 {
        xxh3_64(self.blob.get(self.frames_end..self.entry(self.students)).unwrap_or_default())
    }

    fn entry(&self, place: usize) -> usize {
        self.frames_end + SKIPPABLE_HEADER + INDEX_HEADER + place * INDEX_ENTRY
    }

    fn id(&self, place: usize) -> Option<u32> {
        u32_at(&self.blob, self.entry(place) + ENTRY_ID)
    }

    fn offset(&self, place: usize) -> Option<usize> {
        u32_at(&self.blob, self.entry(place) + ENTRY_OFFSET).map(|offset| offset as usize)
    }

    fn hash(&self, place: usize) -> Option<u64> {
        u64_at(&self.blob, self.entry(place) + ENTRY_HASH)
    }

    fn frame_range(&self, place: usize) -> Option<Range<usize>> {
        let next = place + 1;
        let end = if next < self.students { self.offset(next)? } else { self.frames_end };
        let range = self.offset(place)?..end;
        (range.start <= range.end && range.end <= self.frames_end).then_some(range)
    }

    fn found(&self, place: usize, id: StudentId) -> Result<Found<'_>, ShardError> {
        let located = self.frame_range(place).zip(self.hash(place));
        let (range, hash) = located.ok_or(ShardError::Damaged { id })?;
        Ok(Found { shard: self, id, range, hash })
    }
}

/// A student's frame that nobody has looked at yet.
#[derive(Debug)]
pub struct Found<'a> {
    shard: &'a Shard,
    id: StudentId,
    range: Range<usize>,
    hash: u64,
}

impl Found<'_> {
    /// What the frame's hash should be; see [`Frame::hash`].
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The frame, if it is what was written.
    pub fn check(self) -> Result<Frame, ShardError> {
        if frame::hash(self.id, self.bytes()) != self.hash {
            return Err(ShardError::Damaged { id: self.id });
        }
        Ok(Frame { bytes: self.shard.blob.slice(self.range), hash: self.hash })
    }

    fn bytes(&self) -> &[u8] {
        self.shard.blob.get(self.range.clone()).unwrap_or_default()
    }
}

/// The seek table at the end of a blob.
struct SeekTable<'a> {
    blob: &'a [u8],
    start: usize,
    entries: usize,
}

impl<'a> SeekTable<'a> {
    fn find(blob: &'a [u8]) -> Result<Self, ShardError> {
        const PART: &str = "the seek table";
        let truncated = ShardError::Truncated { bytes: blob.len(), part: PART };
        let footer = blob.len().checked_sub(SEEK_FOOTER).ok_or(truncated.clone())?;
        if u32_at(blob, footer + 5) != Some(SEEKABLE_MAGIC) {
            return Err(ShardError::Magic { part: PART, offset: footer + 5 });
        }
        if blob[footer + 4] != 0 {
            return Err(ShardError::SeekTable("its descriptor is not 0"));
        }
        let entries = u32_at(blob, footer).ok_or(truncated.clone())? as usize;
        let size = entries.checked_mul(SEEK_ENTRY).and_then(|size| size.checked_add(SEEK_FOOTER));
        let start = size.and_then(|size| blob.len().checked_sub(size)?.checked_sub(SKIPPABLE_HEADER));
        let start = start.ok_or(truncated)?;
        if u32_at(blob, start) != Some(SEEK_TABLE_MAGIC) {
            return Err(ShardError::Magic { part: PART, offset: start });
        }
        if u32_at(blob, start + 4).map(|size| size as usize) != size {
            return Err(ShardError::SeekTable("its size"));
        }
        Ok(Self { blob, start, entries })
    }

    fn compressed_size(&self, place: usize) -> Option<usize> {
        let offset = self.start + SKIPPABLE_HEADER + place * SEEK_ENTRY;
        u32_at(self.blob, offset).map(|size| size as usize)
    }

    fn document_size(&self, place: usize) -> Option<usize> {
        let offset = self.start + SKIPPABLE_HEADER + place * SEEK_ENTRY + 4;
        u32_at(self.blob, offset).map(|size| size as usize)
    }

    /// Start and end of the frame that the last entry describes, the one just before the table.
    fn last_entry(&self) -> Result<(usize, usize), ShardError> {
        let truncated = ShardError::Truncated { bytes: self.blob.len(), part: "the index" };
        let place = self.entries.checked_sub(1).ok_or(truncated.clone())?;
        let size = self.compressed_size(place).ok_or(truncated.clone())?;
        if size < SKIPPABLE_HEADER + INDEX_HEADER {
            return Err(truncated);
        }
        let start = self.start.checked_sub(size).ok_or(truncated)?;
        Ok((start, self.start))
    }
}
