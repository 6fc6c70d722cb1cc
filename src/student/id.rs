use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A student's id: 1 ..= 999,999,999.
///
/// Its text is canonical: decimal digits without sign, leading zeros or anything else around them,
/// so that one student has one URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct StudentId(u32);

/// Why a text or a number is no student's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing was given.
    #[error("a student id is missing")]
    Empty,
    /// There is something other than the digits 0 to 9: a sign, a space, an escape.
    #[error("a student id consists of the decimal digits 0 to 9 only")]
    NotDecimal,
    /// The canonical text of a number does not start with 0, and no student has the id 0.
    #[error("a student id does not start with 0")]
    LeadingZero,
    /// There are more than nine digits.
    #[error("a student id has at most {} digits", StudentId::MAX_DIGITS)]
    TooLong,
}

impl StudentId {
    /// The smallest id.
    pub const MIN: Self = Self(1);
    /// The greatest id, nine nines.
    pub const MAX: Self = Self(999_999_999);
    /// How long an id's text can be.
    pub const MAX_DIGITS: usize = 9;

    /// The id with this number.
    pub const fn new(number: u32) -> Result<Self, IdError> {
        match number {
            0 => Err(IdError::LeadingZero),
            1..=999_999_999 => Ok(Self(number)),
            _ => Err(IdError::TooLong),
        }
    }

    /// Reads the canonical text of an id.
    pub fn parse(text: &[u8]) -> Result<Self, IdError> {
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        if !text.iter().all(u8::is_ascii_digit) {
            return Err(IdError::NotDecimal);
        }
        if text[0] == b'0' {
            return Err(IdError::LeadingZero);
        }
        if text.len() > Self::MAX_DIGITS {
            return Err(IdError::TooLong);
        }
        Ok(Self(text.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))))
    }

    /// The id as a number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for StudentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for StudentId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse(text.as_bytes())
    }
}

impl TryFrom<u32> for StudentId {
    type Error = IdError;

    fn try_from(number: u32) -> Result<Self, IdError> {
        Self::new(number)
    }
}

impl From<StudentId> for u32 {
    fn from(id: StudentId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_text_of_an_id_is_read() {
        for (text, id) in [
            ("1", Ok(1)),
            ("674823", Ok(674_823)),
            ("999999999", Ok(999_999_999)),
            ("", Err(IdError::Empty)),
            ("0", Err(IdError::LeadingZero)),
            ("007", Err(IdError::LeadingZero)),
            ("0000000000000", Err(IdError::LeadingZero)),
            ("1000000000", Err(IdError::TooLong)),
            ("99999999999999999999", Err(IdError::TooLong)),
            ("+1", Err(IdError::NotDecimal)),
            ("-1", Err(IdError::NotDecimal)),
            ("1.0", Err(IdError::NotDecimal)),
            ("1e3", Err(IdError::NotDecimal)),
            ("%31", Err(IdError::NotDecimal)),
            ("١٢٣", Err(IdError::NotDecimal)),
            (" 1", Err(IdError::NotDecimal)),
        ] {
            assert_eq!(text.parse().map(StudentId::get), id, "{text:?}");
        }
    }

    #[test]
    fn a_number_outside_the_range_is_no_id() {
        assert_eq!(StudentId::new(0), Err(IdError::LeadingZero));
        assert_eq!(StudentId::new(1_000_000_000), Err(IdError::TooLong));
        assert_eq!(StudentId::new(999_999_999), Ok(StudentId::MAX));
    }
}
