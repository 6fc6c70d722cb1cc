use std::{fmt, str::FromStr};

/// One part of a publication: which, counted from 0, and of how many. Written `0/3`, `1/3` and `2/3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    index: u16,
    of: u16,
}

/// Why a text names no part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a part is K/N with N from 1 to {max} and K from 0 to N - 1, such as 0/3, 1/3 and 2/3 of three",
    max = Part::MOST
)]
pub struct PartError;

impl Part {
    /// More parts than this gain nothing: a nation has some hundreds of shards.
    pub const MOST: u16 = 256;

    /// The parts of so many.
    pub fn all(of: u16) -> impl Iterator<Item = Self> {
        (0..of).map(move |index| Self { index, of })
    }

    /// Which one, from 0.
    pub fn index(self) -> u16 {
        self.index
    }

    /// Of how many.
    pub fn of(self) -> u16 {
        self.of
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, of } = self;
        write!(f, "{index}/{of}")
    }
}

impl FromStr for Part {
    type Err = PartError;

    fn from_str(text: &str) -> Result<Self, PartError> {
        let (index, of) = text.split_once('/').ok_or(PartError)?;
        let (index, of) = (index.parse().map_err(|_| PartError)?, of.parse().map_err(|_| PartError)?);
        let part = Self { index, of };
        let is_one = index < of && of <= Self::MOST && part.to_string() == text;
        is_one.then_some(part).ok_or(PartError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_counted_from_0_and_has_one_text() {
        let all: Vec<_> = Part::all(3).map(|part| part.to_string()).collect();
        assert_eq!(all, ["0/3", "1/3", "2/3"]);
        for part in Part::all(3) {
            assert_eq!(part.to_string().parse(), Ok(part));
        }
        for wrong in ["", "3", "3/3", "-1/3", "+1/3", "01/3", "1/0", "0/257", "1/3/3", " 1/3", "a/b"] {
            assert_eq!(wrong.parse::<Part>(), Err(PartError), "{wrong}");
        }
    }
}
