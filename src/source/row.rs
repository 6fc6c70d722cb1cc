use std::sync::LazyLock;

use super::SourceError;
use crate::student::{MARKS, Sex, Stream, Student, StudentId};

/// The columns of a student `s` with the marks `n` or `o` of the student's stream, as [`StudentRow`] has them.
/// The marks are NULL where there are none.
pub(super) static COLUMNS: LazyLock<String> = LazyLock::new(|| {
    let [natural, social] = Stream::ALL.map(Stream::subjects);
    let marks = natural.iter().zip(social).map(|(natural, social)| {
        format!("CASE s.stream WHEN 'natural_science' THEN n.{natural} ELSE o.{social} END")
    });
    let marks: Vec<_> = marks.collect();
    format!("s.id, s.name, s.sex, s.school, s.region, s.stream, {}", marks.join(", "))
});

/// Where `n` and `o` of [`COLUMNS`] come from.
pub(super) const RESULTS: &str = "LEFT JOIN natural_science_results AS n ON n.student_id = s.id \
                                  LEFT JOIN social_science_results AS o ON o.student_id = s.id";

/// How many [`COLUMNS`] come before the marks.
pub(super) const FIRST_MARK: usize = 6;

/// One student as the tables have it, not checked yet.
#[derive(Debug)]
pub(super) struct StudentRow<'a> {
    pub(super) id: i64,
    pub(super) name: &'a str,
    pub(super) sex: &'a str,
    pub(super) school: &'a str,
    pub(super) region: &'a str,
    pub(super) stream: &'a str,
    pub(super) marks: [Option<i64>; MARKS],
}

impl StudentRow<'_> {
    /// The student; `None` where there is no row of results, so that nobody can look this student up.
    pub(super) fn student(&self) -> Result<Option<Student>, SourceError> {
        let invalid = |problem| SourceError::InvalidRow { id: self.id, problem };
        if self.marks.iter().all(Option::is_none) {
            return Ok(None);
        }
        let stream = Stream::from_name(self.stream).map_err(|error| invalid(format!("stream: {error}")))?;
        let mut marks = [0; MARKS];
        for ((mark, given), subject) in marks.iter_mut().zip(self.marks).zip(stream.subjects()) {
            let given = given.ok_or_else(|| invalid(format!("{subject} is missing")))?;
            *mark = u8::try_from(given)
                .ok()
                .filter(|mark| *mark <= 100)
                .ok_or_else(|| invalid(format!("{subject} is {given}; a mark is 0 to 100")))?;
        }
        let number = u32::try_from(self.id).map_err(|_| invalid("id: out of range".to_owned()))?;
        Ok(Some(Student {
            id: StudentId::new(number).map_err(|error| invalid(format!("id: {error}")))?,
            name: self.name.to_owned(),
            sex: Sex::from_name(self.sex).map_err(|error| invalid(format!("sex: {error}")))?,
            school: self.school.to_owned(),
            region: self.region.to_owned(),
            stream,
            marks,
        }))
    }
}
