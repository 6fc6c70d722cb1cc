use results_day::student::{IdError, StudentId};

/// What a path under `/student/` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/student/<id>.json`: the published document, or what has taken its place.
    Published(StudentId),
    /// `/student/<id>`: the document as of now.
    Live(StudentId),
}

const FOLDER: &str = "/student/";
const SUFFIX: &str = ".json";

impl Target {
    /// Reads a path as it came, escapes and all: an id has one spelling. `None` where the path is of
    /// something else.
    pub(crate) fn parse(path: &str) -> Option<Result<Self, IdError>> {
        let name = path.strip_prefix(FOLDER).filter(|name| !name.contains('/'))?;
        Some(match name.strip_suffix(SUFFIX) {
            Some(id) => StudentId::parse(id.as_bytes()).map(Self::Published),
            None => StudentId::parse(name.as_bytes()).map(Self::Live),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_without_undoing_its_escapes() {
        let id = |number| StudentId::new(number).unwrap();
        for (path, target) in [
            ("/student/7.json", Some(Ok(Target::Published(id(7))))),
            ("/student/7", Some(Ok(Target::Live(id(7))))),
            ("/student/%37.json", Some(Err(IdError::NotDecimal))),
            ("/student/7%2ejson", Some(Err(IdError::NotDecimal))),
            ("/student/.json", Some(Err(IdError::Empty))),
            ("/student/", Some(Err(IdError::Empty))),
            ("/student/07.json", Some(Err(IdError::LeadingZero))),
            ("/student/7.json.json", Some(Err(IdError::NotDecimal))),
            ("/student/7.JSON", Some(Err(IdError::NotDecimal))),
            ("/student/7/", None),
            ("/student/7.json/x", None),
            ("/student", None),
            ("/students/7.json", None),
            ("/", None),
        ] {
            assert_eq!(Target::parse(path), target, "{path}");
        }
    }
}
