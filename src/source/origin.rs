use serde::{Deserialize, Serialize};

use crate::changes::Snapshot;

/// What a release was read from: enough to say exactly what changed since, and to notice that a database is
/// not the one that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The data set's own id, random, given to it when it was created.
    pub data_set: String,
    /// The database system's identifier; SQLite has none but the data set's.
    pub system: String,
    /// A random token that was committed just after the snapshot was taken. A database restored from an earlier
    /// backup does not hold it.
    pub token: String,
    /// What the reader saw.
    pub snapshot: Snapshot,
}
