use super::{Compressor, Frame, ShardError, decompressed_size, frame, layout::*};
use crate::student::StudentId;

/// Writes one shard: [`push`](Self::push) the students in id order, then [`finish`](Self::finish).
pub struct ShardWriter {
    blob: Vec<u8>,
    records: Vec<Record>,
}

struct Record {
    id: StudentId,
    offset: u32,
    document: u32,
    hash: u64,
}

impl ShardWriter {
    /// An empty shard for about `students`.
    pub fn new(students: usize) -> Self {
        // A frame has about 190 bytes and its entries in the index and the seek table 24.
        Self { blob: Vec::with_capacity(students * 220), records: Vec::with_capacity(students) }
    }

    /// Adds the next student's document.
    pub fn push(
        &mut self,
        id: StudentId,
        document: &[u8],
        compressor: &mut Compressor,
    ) -> Result<(), ShardError> {
        self.check_order(id)?;
        if document.len() > frame::MAX_DOCUMENT {
            // No reader would decompress it.
            let error = super::FrameError::TooLarge(document.len() as u64);
            return Err(ShardError::Frame { id, error });
        }
        let offset = u32_len(&self.blob)?;
        compressor
            .compress(document, &mut self.blob)
            .map_err(|error| ShardError::Frame { id, error: super::FrameError::Broken(error.to_string()) })?;
        let hash = frame::hash(id, &self.blob[offset as usize..]);
        self.records.push(Record { id, offset, document: u32_len(document)?, hash });
        Ok(())
    }

    /// Adds the next student's frame as another shard had it.
    pub fn push_frame(&mut self, id: StudentId, frame: &Frame) -> Result<(), ShardError> {
        self.check_order(id)?;
        let document = decompressed_size(&frame.bytes).map_err(|error| ShardError::Frame { id, error })?;
        let offset = u32_len(&self.blob)?;
        self.blob.extend_from_slice(&frame.bytes);
        self.records.push(Record { id, offset, document: u32_from(document)?, hash: frame.hash });
        Ok(())
    }

    fn check_order(&self, id: StudentId) -> Result<(), ShardError> {
        match self.records.last() {
            Some(last) if last.id >= id => Err(ShardError::Order { id, last: last.id }),
            _ => Ok(()),
        }
    }

    /// The whole blob: frames, index, seek table.
    pub fn finish(mut self) -> Result<Vec<u8>, ShardError> {
        if self.records.is_empty() {
            return Err(ShardError::Empty);
        }
        let frames_end = u32_len(&self.blob)?;
        self.write_index()?;
        self.write_seek_table(frames_end)?;
        u32_len(&self.blob)?;
        Ok(self.blob)
    }

    fn write_index(&mut self) -> Result<(), ShardError> {
        let Self { blob, records } = self;
        blob.extend(INDEX_MAGIC.to_le_bytes());
        blob.extend(u32_from(INDEX_HEADER + records.len() * INDEX_ENTRY)?.to_le_bytes());
        blob.extend(INDEX_TAG);
        blob.extend(INDEX_VERSION.to_le_bytes());
        blob.extend(u32_from(records.len())?.to_le_bytes());
        for record in records {
            blob.extend(record.id.get().to_le_bytes());
            blob.extend(record.offset.to_le_bytes());
            blob.extend(record.hash.to_le_bytes());
        }
        Ok(())
    }

    /// The seekable format counts every frame before the table, so the index is its last entry: a frame
    /// that decompresses to nothing.
    fn write_seek_table(&mut self, frames_end: u32) -> Result<(), ShardError> {
        let index_size = u32_len(&self.blob)? - frames_end;
        let Self { blob, records } = self;
        let entries = records.len() + 1;
        blob.extend(SEEK_TABLE_MAGIC.to_le_bytes());
        blob.extend(u32_from(entries * SEEK_ENTRY + SEEK_FOOTER)?.to_le_bytes());
        let ends = records.iter().skip(1).map(|record| record.offset).chain([frames_end]);
        for (record, end) in records.iter().zip(ends) {
            blob.extend((end - record.offset).to_le_bytes());
            blob.extend(record.document.to_le_bytes());
        }
        blob.extend(index_size.to_le_bytes());
        blob.extend(0_u32.to_le_bytes());
        blob.extend(u32_from(entries)?.to_le_bytes());
        blob.push(0); // No checksums in the table: the index holds a hash of every frame.
        blob.extend(SEEKABLE_MAGIC.to_le_bytes());
        Ok(())
    }
}

fn u32_len(bytes: &[u8]) -> Result<u32, ShardError> {
    u32_from(bytes.len())
}

fn u32_from(number: usize) -> Result<u32, ShardError> {
    u32::try_from(number).map_err(|_| ShardError::TooLarge)
}
