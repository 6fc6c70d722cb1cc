use serde::{Deserialize, Serialize};

use super::Snapshot;
use crate::student::StudentId;

/// The last change of one student, as the database logged it.
///
/// Written as the pair `[transaction, token]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct Change {
    /// The transaction (PostgreSQL) or the commit-ordered revision (SQLite) that made it.
    pub transaction: u64,
    /// 64 random bits: a restored backup re-uses transactions, but not these.
    pub token: u64,
}

/// Whose change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Changed {
    /// One student's.
    Student(StudentId),
    /// Everybody's: a TRUNCATE, or a bulk load that went round the triggers.
    Everything,
}

/// All that the log says of one student: the student's own row and the *everything* row, together. Two
/// documents of one student that were read under equal standings are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Standing {
    /// The student's own last change.
    pub own: Option<Change>,
    /// The last change of everything.
    pub everything: Option<Change>,
}

impl Standing {
    /// Whether `snapshot` saw all of it, so that what was read under the snapshot is not superseded.
    pub fn seen_by(&self, snapshot: &Snapshot) -> bool {
        [self.own, self.everything].iter().flatten().all(|change| snapshot.sees(change.transaction))
    }
}

impl From<(u64, u64)> for Change {
    fn from((transaction, token): (u64, u64)) -> Self {
        Self { transaction, token }
    }
}

impl From<Change> for (u64, u64) {
    fn from(change: Change) -> Self {
        (change.transaction, change.token)
    }
}
