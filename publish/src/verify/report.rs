//! What a verification says of one release.

use std::fmt;

use anyhow::bail;
use results_day::{
    release::{Differences, ReleaseError, ReleaseNumber, Verified},
    student::StudentId,
};

use super::comparison::Compared;
use crate::summary;

/// What was read of a release, and everything that is not as it should be.
pub(super) struct Report {
    number: ReleaseNumber,
    pub(super) read: Verified,
    pub(super) differences: Differences<Difference>,
    /// `None` where no database was to be asked.
    pub(super) compared: Option<Compared>,
}

/// Something that is not as it should be.
#[derive(Debug)]
pub(super) enum Difference {
    /// The release is not what its manifest says.
    Release(ReleaseError),
    /// The release lacks a student who has not changed since.
    OnlyInDatabase(StudentId),
    /// The release has a student who is gone, though that was logged nowhere.
    OnlyInRelease(StudentId),
    /// The database's row makes another document, though no change was logged.
    Document(StudentId),
}

impl Report {
    pub(super) fn of(number: ReleaseNumber) -> Self {
        Self { number, read: Verified::default(), differences: Differences::default(), compared: None }
    }

    /// Writes a line for each difference, and one more for those that are too many.
    pub(super) fn print(&self) {
        let Self { number, differences, .. } = self;
        for difference in differences.first() {
            println!("release {number}: {difference}");
        }
        let more = differences.count() - differences.first().len() as u64;
        if more > 0 {
            println!("release {number}: and {more} more");
        }
    }

    /// What is said of a whole release, and whether it was compared as far as was asked; an error for another.
    pub(super) fn into_verdict(self) -> anyhow::Result<(String, bool)> {
        let Self { number, read, differences, compared } = self;
        match differences.count() {
            0 => {}
            1 => bail!("release {number} is not as it should be: 1 difference"),
            count => bail!("release {number} is not as it should be: {count} differences"),
        }
        let whole = summary::verified(number, read);
        Ok(match compared {
            Some(compared) => (format!("{whole}; {compared}"), !matches!(compared, Compared::Impossible(_))),
            None => (whole, true),
        })
    }
}

impl From<ReleaseError> for Difference {
    fn from(error: ReleaseError) -> Self {
        Self::Release(error)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(error) => error.fmt(f),
            Self::OnlyInDatabase(id) => write!(f, "student {id} is in the database and not in the release"),
            Self::OnlyInRelease(id) => write!(f, "student {id} is in the release and not in the database"),
            Self::Document(id) => write!(f, "student {id} has another document than the database's row"),
        }
    }
}
