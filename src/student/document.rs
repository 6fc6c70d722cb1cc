use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeStruct},
};

use super::{OUT_OF, Student, StudentId};

/// The version of the documents that [`render`] writes. Whoever changes one byte of them raises it: a
/// release with another renderer is no base for an incremental publication.
pub const RENDERER: u32 = 1;

/// Appends the student's document to `out`: one line of JSON, its newline included.
///
/// The same bytes come from the static path, the live path and the cache. They carry nothing about a
/// release, so that an unchanged student has unchanged bytes for ever.
pub fn render(student: &Student, out: &mut Vec<u8>) {
    if let Err(impossible) = serde_json::to_writer(&mut *out, &Document(student)) {
        // Writing to memory cannot fail, and every key of the document is a string.
        unreachable!("rendering a student to memory failed: {impossible}");
    }
    out.push(b'\n');
}

struct Document<'a>(&'a Student);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(student) = self;
        let mut document = serializer.serialize_struct("Student", 10)?;
        document.serialize_field("id", &student.id)?;
        document.serialize_field("name", &student.name)?;
        document.serialize_field("sex", &student.sex)?;
        document.serialize_field("school", &student.school)?;
        document.serialize_field("region", &student.region)?;
        document.serialize_field("stream", &student.stream)?;
        document.serialize_field("results", &Results(student))?;
        document.serialize_field("total", &student.total())?;
        document.serialize_field("out_of", &OUT_OF)?;
        document.serialize_field("average", &student.average())?;
        document.end()
    }
}

struct Results<'a>(&'a Student);

impl Serialize for Results<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(student) = self;
        let mut results = serializer.serialize_map(Some(student.marks.len()))?;
        for (subject, mark) in student.stream.subjects().iter().zip(&student.marks) {
            results.serialize_entry(subject, mark)?;
        }
        results.end()
    }
}

/// Why bytes are not a student's document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// A document is exactly one line.
    #[error("a document is one line that ends with a newline")]
    NotOneLine,
    /// A document starts with its student's id.
    #[error("a document starts with {{\"id\": and a student's id")]
    NoId,
}

/// Whose document this is. Looks at the frame of the line and at its first field only.
pub fn document_id(document: &[u8]) -> Result<StudentId, DocumentError> {
    let line = document.strip_suffix(b"}\n").ok_or(DocumentError::NotOneLine)?;
    if line.contains(&b'\n') {
        return Err(DocumentError::NotOneLine);
    }
    let rest = line.strip_prefix(b"{\"id\":").ok_or(DocumentError::NoId)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if rest.get(digits) != Some(&b',') {
        return Err(DocumentError::NoId);
    }
    StudentId::parse(&rest[..digits]).map_err(|_| DocumentError::NoId)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::student::{Sex, Stream};

    fn student(marks: [u8; 7]) -> Student {
        Student {
            id: StudentId::new(123_456).expect("in range"),
            name: "Abebe \"Bekele\" Ñ".to_owned(),
            sex: Sex::F,
            school: "Bole".to_owned(),
            region: "Addis Ababa".to_owned(),
            stream: Stream::NaturalScience,
            marks,
        }
    }

    fn rendered(student: &Student) -> Vec<u8> {
        let mut document = Vec::new();
        render(student, &mut document);
        document
    }

    #[test]
    fn a_document_is_exactly_this_line() {
        assert_eq!(
            String::from_utf8(rendered(&student([71, 64, 80, 77, 59, 66, 63]))).expect("UTF-8"),
            concat!(
                r#"{"id":123456,"name":"Abebe \"Bekele\" Ñ","sex":"F","school":"Bole","#,
                r#""region":"Addis Ababa","stream":"natural_science","results":{"english":71,"#,
                r#""mathematics":64,"aptitude":80,"civics":77,"physics":59,"chemistry":66,"#,
                r#""biology":63},"total":480,"out_of":700,"average":68.57}"#,
                "\n"
            )
        );
    }

    #[test]
    fn an_average_has_at_most_two_decimals_and_at_least_one() {
        for (marks, average) in [
            ([0; 7], "0.0"),
            ([100; 7], "100.0"),
            ([1, 0, 0, 0, 0, 0, 0], "0.14"),
            ([50, 50, 50, 50, 50, 50, 51], "50.14"),
            ([7, 7, 7, 7, 7, 7, 10], "7.43"),
        ] {
            let document = rendered(&student(marks));
            let text = String::from_utf8(document).expect("UTF-8");
            assert!(text.ends_with(&format!("\"average\":{average}}}\n")), "{text}");
        }
    }

    #[test]
    fn a_document_says_whose_it_is() {
        let document = rendered(&student([1; 7]));
        assert_eq!(document_id(&document).map(StudentId::get), Ok(123_456));
        assert_eq!(document_id(&document[..document.len() - 1]), Err(DocumentError::NotOneLine));
        assert_eq!(document_id(&document.repeat(2)), Err(DocumentError::NotOneLine));
        assert_eq!(document_id(b"{\"id\":}\n"), Err(DocumentError::NoId));
        assert_eq!(document_id(b"{\"id\":1}\n"), Err(DocumentError::NoId));
    }

    proptest! {
        #[test]
        fn whatever_a_name_holds_the_document_is_one_line_of_the_same_json(
            name in any::<String>(), school in any::<String>(), marks in any::<[u8; 7]>()
        ) {
            let student = Student { name, school, ..student(marks.map(|mark| mark % 101)) };
            let document = rendered(&student);
            prop_assert_eq!(document_id(&document), Ok(student.id));
            let value: serde_json::Value = serde_json::from_slice(&document)?;
            prop_assert_eq!(value["name"].as_str(), Some(student.name.as_str()));
            prop_assert_eq!(value["school"].as_str(), Some(student.school.as_str()));
            prop_assert_eq!(value["total"].as_u64(), Some(u64::from(student.total())));
        }
    }
}
