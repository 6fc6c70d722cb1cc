use super::FrameError;
use crate::student::StudentId;

/// Why bytes are not a shard, or are one no longer. Offsets count bytes from the blob's start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// The blob ends before something that it must hold.
    #[error("the blob has {bytes} bytes, too few for {part}")]
    Truncated {
        /// The blob's length.
        bytes: usize,
        /// What does not fit.
        part: &'static str,
    },
    /// A part does not start, or end, with its magic number.
    #[error("{part} does not carry its magic number at byte {offset}")]
    Magic {
        /// The part.
        part: &'static str,
        /// Where the number was expected.
        offset: usize,
    },
    /// The index is of a version that this reader does not know.
    #[error("the index has version {0}, this reader knows version {known}", known = super::layout::INDEX_VERSION)]
    Version(u32),
    /// The seek table and the index disagree about the frames.
    #[error("the seek table and the index disagree: {0}")]
    SeekTable(&'static str),
    /// The ids are not strictly ascending, or not ids of this shard.
    #[error("id {id} at place {place} is out of order or not of this shard")]
    Id {
        /// What stands in the id column.
        id: u32,
        /// The record's place, from 0.
        place: usize,
    },
    /// The frames do not lie one behind the other from the start of the blob.
    #[error("the frame at place {place} does not start where the one before it ends")]
    Offset {
        /// The record's place, from 0.
        place: usize,
    },
    /// A frame's bytes are not the bytes that were written.
    #[error("the frame of student {id} does not match its hash")]
    Damaged {
        /// Whose frame it is.
        id: StudentId,
    },
    /// The index is not what it was when the shard was opened.
    #[error("the index has changed since the shard was opened")]
    Index,
    /// A frame cannot be decompressed.
    #[error("the frame of student {id}: {error}")]
    Frame {
        /// Whose frame it is.
        id: StudentId,
        /// What the frame lacks.
        error: FrameError,
    },
    /// A student was written out of order.
    #[error("student {id} was added behind student {last}; a shard is written in id order")]
    Order {
        /// The student.
        id: StudentId,
        /// The one before.
        last: StudentId,
    },
    /// A blob's offsets are 32-bit numbers.
    #[error("a shard holds less than 4 GiB")]
    TooLarge,
    /// A shard exists because there is a student in it.
    #[error("a shard holds at least one student")]
    Empty,
}
