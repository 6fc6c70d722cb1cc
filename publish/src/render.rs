//! From students to a shard's blob.

use bytes::Bytes;
use results_day::{
    release::Digest,
    shard::{Compressor, FrameError, Shard, ShardError, ShardWriter},
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
    let mut shard = Writer::new(students.len())?;
    for student in students {
        shard.render(student)?;
    }
    shard.finish()
}

/// Renders the shard that `base` would be if those who have changed were as in `students`, or not there. Everybody
/// else's frame is taken over, and is what rendering would give again. All are in id order.
pub(crate) fn patch(
    base: &Shard,
    changed: &[StudentId],
    students: &[Student],
) -> Result<Option<RenderedShard>, ShardError> {
    let mut shard = Writer::new(base.students() + students.len())?;
    let mut students = students.iter().peekable();
    for frame in base.frames() {
        let (id, frame) = frame?;
        while let Some(student) = students.next_if(|student| student.id <= id) {
            shard.render(student)?;
        }
        if changed.binary_search(&id).is_err() {
            shard.take_over(id, &frame)?;
        }
    }
    for student in students {
        shard.render(student)?;
    }
    shard.finish()
}

/// A shard that is being written, and what its manifest says of it.
struct Writer {
    shard: ShardWriter,
    compressor: Compressor,
    document: Vec<u8>,
    students: u32,
    ends: Option<(StudentId, StudentId)>,
}

impl Writer {
    fn new(students: usize) -> Result<Self, ShardError> {
        let compressor = Compressor::new().map_err(|error| ShardError::Frame {
            id: StudentId::MIN,
            error: FrameError::Broken(error.to_string()),
        })?;
        let shard = ShardWriter::new(students);
        Ok(Self { shard, compressor, document: Vec::new(), students: 0, ends: None })
    }

    fn render(&mut self, student: &Student) -> Result<(), ShardError> {
        self.document.clear();
        student::render(student, &mut self.document);
        self.shard.push(student.id, &self.document, &mut self.compressor)?;
        self.count(student.id);
        Ok(())
    }

    fn take_over(&mut self, id: StudentId, frame: &results_day::shard::Frame) -> Result<(), ShardError> {
        self.shard.push_frame(id, frame)?;
        self.count(id);
        Ok(())
    }

    fn count(&mut self, id: StudentId) {
        self.students += 1;
        self.ends = Some((self.ends.map_or(id, |(first, _)| first), id));
    }

    fn finish(self) -> Result<Option<RenderedShard>, ShardError> {
        let Some((first_id, last_id)) = self.ends else { return Ok(None) };
        let blob = Bytes::from(self.shard.finish()?);
        Ok(Some(RenderedShard {
            digest: Digest::of(&blob),
            blob,
            students: self.students,
            first_id,
            last_id,
        }))
    }
}
