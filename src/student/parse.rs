use std::collections::BTreeMap;

use serde::Deserialize;

use super::{DocumentError, MARKS, Sex, Stream, Student, StudentId, render};

/// The best mark in one subject.
const MAX_MARK: u8 = 100;

/// The student in a document of [`RENDERER`](super::RENDERER).
///
/// The strictest reader that there is: the document must be byte for byte what [`render`] makes of the student. So
/// nothing need be said here of the order of the fields, of sums, of spaces, or of fields that are not known.
pub fn parse(document: &[u8]) -> Result<Student, DocumentError> {
    let fields =
        serde_json::from_slice(document).map_err(|error| DocumentError::Values(error.to_string()))?;
    let student = Fields::student(fields).map_err(DocumentError::Values)?;
    let mut rendered = Vec::with_capacity(document.len());
    render(&student, &mut rendered);
    if rendered == document { Ok(student) } else { Err(DocumentError::NotAsRendered) }
}

/// The fields that the others follow from.
#[derive(Deserialize)]
struct Fields<'a> {
    id: StudentId,
    name: String,
    sex: &'a str,
    school: String,
    region: String,
    stream: &'a str,
    results: BTreeMap<&'a str, u8>,
}

impl Fields<'_> {
    fn student(self) -> Result<Student, String> {
        let stream = Stream::from_name(self.stream).map_err(|error| format!("stream: {error}"))?;
        let mut marks = [0; MARKS];
        for (mark, subject) in marks.iter_mut().zip(stream.subjects()) {
            let given = *self.results.get(subject).ok_or_else(|| format!("{subject} is missing"))?;
            if given > MAX_MARK {
                return Err(format!("{subject} is {given}; a mark is 0 to {MAX_MARK}"));
            }
            *mark = given;
        }
        Ok(Student {
            id: self.id,
            name: self.name,
            sex: Sex::from_name(self.sex).map_err(|error| format!("sex: {error}"))?,
            school: self.school,
            region: self.region,
            stream,
            marks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::student::generator::Generator;

    fn document(number: u32) -> (Student, String) {
        let mut document = Vec::new();
        let student = Generator::new(1).student(StudentId::new(number).unwrap());
        render(&student, &mut document);
        (student, String::from_utf8(document).unwrap())
    }

    #[test]
    fn the_student_that_was_rendered_is_read() {
        for number in 1..=1_000 {
            let (student, document) = document(number);
            assert_eq!(parse(document.as_bytes()), Ok(student), "{document}");
        }
    }

    #[test]
    fn whatever_is_not_exactly_what_is_rendered_is_refused() {
        let (student, document) = document(1);
        let subject = student.stream.subjects()[6];
        let (mark, total) = (student.marks[6], student.total());
        let with = |from: &str, to: String| {
            assert!(document.contains(from), "{from} is not in {document}");
            parse(document.replacen(from, &to, 1).as_bytes()).unwrap_err().to_string()
        };
        let another = "byte for byte what is rendered from its values";
        let last = format!("\"{subject}\":{mark}");
        for (error, fault) in [
            // A sum that is not the sum of the marks, and marks that are not those of the sum.
            (with(&format!("\"total\":{total}"), format!("\"total\":{}", total + 1)), another),
            (with(&last, format!("\"{subject}\":{}", (mark + 1) % 101)), another),
            (with(&last, format!("\"{subject}\":101")), "101; a mark is 0 to 100"),
            (with(&last, format!("\"{subject}\":256")), "invalid value: integer `256`"),
            (with(&last, format!("\"{subject}\":{mark},\"art\":1")), another),
            (with(subject, "art".to_owned()), "is missing"),
            (with("{\"id\":1,", "{\"id\":1, ".to_owned()), another),
            (with("{\"id\":1,", "{\"id\":1,\"id\":1,".to_owned()), "duplicate field `id`"),
            (with("{\"id\":1,", "{\"id\":1,\"rank\":1,".to_owned()), another),
            (with("{\"id\":1,", "{\"id\":0,".to_owned()), "does not start with 0"),
            (with("\"sex\":\"", "\"sex\":\"X".to_owned()), "is not one of F, M"),
            (with("\"stream\":\"", "\"stream\":\"X".to_owned()), "is not one of natural_science"),
            (with("\"out_of\":700", "\"out_of\":800".to_owned()), another),
            (with("\"average\":", "\"average\":1".to_owned()), another),
            (with("}\n", "}".to_owned()), another),
            (with("}\n", "}\n\n".to_owned()), another),
            (with("}\n", "}}\n".to_owned()), "trailing characters"),
            (with("\"name\":\"", "\"name\":\"\\u0041".to_owned()), another),
            (with("\"region\"", "\"realm\"".to_owned()), "missing field `region`"),
        ] {
            assert!(error.contains(fault), "{error} instead of {fault}");
        }
    }
}
