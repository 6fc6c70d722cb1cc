use serde::Serialize;

use super::StudentId;

/// How many subjects a student sits.
pub const MARKS: usize = 7;

/// The best total: seven subjects at 100.
pub const OUT_OF: u16 = 700;

/// One student and the marks, as the tables hold them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Student {
    /// The id, the primary key of every table.
    pub id: StudentId,
    /// The full name.
    pub name: String,
    /// The sex as registered.
    pub sex: Sex,
    /// The school's name.
    pub school: String,
    /// The region's name.
    pub region: String,
    /// Which subjects the marks are of.
    pub stream: Stream,
    /// One mark of 0 ..= 100 for each of [`Stream::subjects`], in that order.
    pub marks: [u8; MARKS],
}

/// The sex as registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Sex {
    /// Female.
    F,
    /// Male.
    M,
}

/// The branch of the grade-12 exam: it decides three of the seven subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// English, mathematics, aptitude, civics, physics, chemistry, biology.
    NaturalScience,
    /// English, mathematics, aptitude, civics, geography, history, economics.
    SocialScience,
}

/// A text that names no sex or no stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not one of {known}")]
pub struct UnknownName {
    given: String,
    known: &'static str,
}

impl Sex {
    /// The text in tables and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::F => "F",
            Self::M => "M",
        }
    }

    /// Reads what [`Sex::as_str`] wrote.
    pub fn from_name(name: &str) -> Result<Self, UnknownName> {
        match name {
            "F" => Ok(Self::F),
            "M" => Ok(Self::M),
            _ => Err(UnknownName { given: name.to_owned(), known: "F, M" }),
        }
    }
}

impl Stream {
    /// Both streams.
    pub const ALL: [Self; 2] = [Self::NaturalScience, Self::SocialScience];

    /// The text in tables and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NaturalScience => "natural_science",
            Self::SocialScience => "social_science",
        }
    }

    /// Reads what [`Stream::as_str`] wrote.
    pub fn from_name(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|stream| stream.as_str() == name)
            .ok_or_else(|| UnknownName { given: name.to_owned(), known: "natural_science, social_science" })
    }

    /// The subjects, in the order of the marks: also the names of the columns and of the document's fields.
    pub const fn subjects(self) -> [&'static str; MARKS] {
        match self {
            Self::NaturalScience => {
                ["english", "mathematics", "aptitude", "civics", "physics", "chemistry", "biology"]
            }
            Self::SocialScience => {
                ["english", "mathematics", "aptitude", "civics", "geography", "history", "economics"]
            }
        }
    }
}

impl Student {
    /// The sum of the marks, of at most [`OUT_OF`].
    pub fn total(&self) -> u16 {
        self.marks.iter().map(|mark| u16::from(*mark)).sum()
    }

    /// The mean mark, in hundredths. No total over seven lies half-way between two of them.
    pub fn average_in_hundredths(&self) -> u32 {
        const SUBJECTS: u32 = MARKS as u32;
        (u32::from(self.total()) * 100 + SUBJECTS / 2) / SUBJECTS
    }
}
