//! From a shard's students to its blob.

use bytes::Bytes;
use results_day::{
    release::Digest,
    shard::{Compressor, ShardError, ShardWriter},
    student::{self, Student, StudentId},
};

/// A shard that has not been uploaded yet.
#[derive(Debug)]
pub(crate) struct RenderedShard {
    pub(crate) blob: Bytes,
    pub(crate) digest: Digest,
    pub(crate) students: u32,
    pub(crate) first_id: StudentId,
    pub(crate) last_id: StudentId,
}

/// Renders students in id order. The same students give the same blob. `None` where there are none.
pub(crate) fn render(students: &[Student]) -> Result<Option<RenderedShard>, ShardError> {
    let (Some(first), Some(last)) = (students.first(), students.last()) else {
        return Ok(None);
    };
    let broken = |source: std::io::Error| ShardError::Frame {
        id: first.id,
        error: results_day::shard::FrameError::Broken(source.to_string()),
    };
    let mut compressor = Compressor::new().map_err(broken)?;
    let mut shard = ShardWriter::new(students.len());
    let mut document = Vec::new();
    for student in students {
        document.clear();
        student::render(student, &mut document);
        shard.push(student.id, &document, &mut compressor)?;
    }
    let blob = Bytes::from(shard.finish()?);
    Ok(Some(RenderedShard {
        digest: Digest::of(&blob),
        blob,
        students: u32::try_from(students.len()).map_err(|_| ShardError::TooLarge)?,
        first_id: first.id,
        last_id: last.id,
    }))
}
