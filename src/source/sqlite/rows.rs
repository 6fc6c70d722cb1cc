use rusqlite::{Row, types::Type};

use super::super::SourceError;
use crate::{
    changes::{Change, Changed},
    student::{Sex, Stream, Student, StudentId},
};

/// Students from one id to another with the marks of their stream, in id order. A student without marks
/// comes with NULLs.
pub(super) const STUDENTS: &str = "
SELECT s.id, s.name, s.sex, s.school, s.region, s.stream,
       iif(s.stream = 'natural_science', n.english, o.english),
       iif(s.stream = 'natural_science', n.mathematics, o.mathematics),
       iif(s.stream = 'natural_science', n.aptitude, o.aptitude),
       iif(s.stream = 'natural_science', n.civics, o.civics),
       iif(s.stream = 'natural_science', n.physics, o.geography),
       iif(s.stream = 'natural_science', n.chemistry, o.history),
       iif(s.stream = 'natural_science', n.biology, o.economics)
FROM students AS s
LEFT JOIN natural_science_results AS n ON n.student_id = s.id
LEFT JOIN social_science_results AS o ON o.student_id = s.id
WHERE s.id BETWEEN ? AND ?
ORDER BY s.id";

/// Where the marks start in a row of [`STUDENTS`].
const FIRST_MARK: usize = 6;

/// Reads a row of [`STUDENTS`]; `None` for a student without a row of results, whom nobody can look up.
pub(super) fn student_of(row: &Row<'_>) -> Result<Option<Student>, SourceError> {
    let id: i64 = row.get(0)?;
    let invalid = |problem: String| SourceError::InvalidRow { id, problem };
    if row.get_ref(FIRST_MARK)?.data_type() == Type::Null {
        return Ok(None);
    }
    let text = |column: usize, name: &str| {
        row.get_ref(column)?.as_str().map_err(|error| invalid(format!("{name}: {error}")))
    };
    let stream =
        Stream::from_name(text(5, "stream")?).map_err(|error| invalid(format!("stream: {error}")))?;
    let mut marks = [0; 7];
    for (place, (mark, subject)) in marks.iter_mut().zip(stream.subjects()).enumerate() {
        let given: i64 =
            row.get(FIRST_MARK + place).map_err(|error| invalid(format!("{subject}: {error}")))?;
        *mark = u8::try_from(given)
            .ok()
            .filter(|mark| *mark <= 100)
            .ok_or_else(|| invalid(format!("{subject} is {given}; a mark is 0 to 100")))?;
    }
    let number = u32::try_from(id).map_err(|_| invalid("id: out of range".to_owned()))?;
    Ok(Some(Student {
        id: StudentId::new(number).map_err(|error| invalid(format!("id: {error}")))?,
        name: text(1, "name")?.to_owned(),
        sex: Sex::from_name(text(2, "sex")?).map_err(|error| invalid(format!("sex: {error}")))?,
        school: text(3, "school")?.to_owned(),
        region: text(4, "region")?.to_owned(),
        stream,
        marks,
    }))
}

/// Reads `student_id, revision, token` of the change log: `student_id` 0 is everybody, and the token's 64
/// bits are unsigned.
pub(super) fn change_of(row: &Row<'_>) -> rusqlite::Result<(Changed, Change)> {
    let changed = match row.get::<_, u32>(0)? {
        0 => Changed::Everything,
        number => Changed::Student(
            StudentId::new(number)
                .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Integer, error.into()))?,
        ),
    };
    let change = Change {
        transaction: row.get::<_, i64>(1)?.unsigned_abs(),
        token: row.get::<_, i64>(2)?.cast_unsigned(),
    };
    Ok((changed, change))
}
