use std::sync::LazyLock;

use rusqlite::{Row, types::Type};

use super::super::{
    SourceError,
    row::{COLUMNS, FIRST_MARK, RESULTS, StudentRow},
};
use crate::{
    changes::{Change, Changed},
    student::{MARKS, Stream, Student, StudentId},
};

/// Students from one id to another, in id order.
pub(super) static STUDENTS: LazyLock<String> = LazyLock::new(|| {
    format!("SELECT {} FROM students AS s {RESULTS} WHERE s.id BETWEEN ? AND ? ORDER BY s.id", *COLUMNS)
});

/// Reads a row of [`STUDENTS`].
pub(super) fn student_of(row: &Row<'_>) -> Result<Option<Student>, SourceError> {
    let id: i64 = row.get(0)?;
    let invalid = |problem: String| SourceError::InvalidRow { id, problem };
    let text = |column: usize, name: &str| {
        row.get_ref(column)?.as_str().map_err(|error| invalid(format!("{name}: {error}")))
    };
    let stream = text(5, "stream")?;
    let subjects = Stream::from_name(stream).unwrap_or(Stream::NaturalScience).subjects();
    let mut marks = [None; MARKS];
    for (place, (mark, subject)) in marks.iter_mut().zip(subjects).enumerate() {
        *mark = row.get(FIRST_MARK + place).map_err(|error| invalid(format!("{subject}: {error}")))?;
    }
    let row = StudentRow {
        id,
        name: text(1, "name")?,
        sex: text(2, "sex")?,
        school: text(3, "school")?,
        region: text(4, "region")?,
        stream,
        marks,
    };
    row.student()
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
