use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What all who make one publication in parts call it, and everybody who is started again for it: the committer and the
/// parts of one name belong together, and nobody else does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunName(String);

/// Why a text names no run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a run has a name of 1 to {max} letters, digits, dots, hyphens and underscores, the first a letter or a digit",
    max = RunName::LONGEST
)]
pub struct RunNameError;

impl RunName {
    const LONGEST: usize = 63;
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunName {
    type Err = RunNameError;

    // It becomes a folder: `.` and `..` would be others.
    fn from_str(text: &str) -> Result<Self, RunNameError> {
        let bytes = text.as_bytes();
        let begins_well = bytes.first().is_some_and(u8::is_ascii_alphanumeric);
        let may_follow = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        let is_one = begins_well && bytes.iter().all(may_follow) && bytes.len() <= Self::LONGEST;
        is_one.then(|| Self(text.to_owned())).ok_or(RunNameError)
    }
}

impl TryFrom<String> for RunName {
    type Error = RunNameError;

    fn try_from(text: String) -> Result<Self, RunNameError> {
        text.parse()
    }
}

impl From<RunName> for String {
    fn from(run: RunName) -> Self {
        run.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runs_name_is_the_name_of_a_folder_and_nothing_else() {
        let longest = "x".repeat(RunName::LONGEST);
        for right in ["7", "results-day", "2026.11_30", "A..b", &longest] {
            assert_eq!(right.parse::<RunName>().unwrap().to_string(), right);
        }
        let too_long = "x".repeat(RunName::LONGEST + 1);
        for wrong in ["", ".", "..", "-x", "_x", "a/b", "a b", "a#1", "é", "a\n", &too_long] {
            assert_eq!(wrong.parse::<RunName>(), Err(RunNameError), "{wrong}");
        }
    }
}
