use std::{fmt, time::Duration};

use results_day::release::{Part, ReleaseNumber};

use crate::metrics::Ending;

/// What a run of one part did.
#[derive(Debug)]
pub enum PartOutcome {
    /// The run had ended without this; how.
    Ended(Part, String),
    /// The release is current.
    Committed {
        /// Which part.
        part: Part,
        /// The release's number.
        number: ReleaseNumber,
        /// How many of its shards the part has brought.
        shards: usize,
        /// How many of these were uploaded; the parent's blobs are the others.
        uploaded: usize,
        /// From the first question to the commit.
        elapsed: Duration,
    },
}

impl PartOutcome {
    /// How the run ended.
    pub fn ending(&self) -> Ending {
        match self {
            Self::Ended(..) => Ending::Unchanged,
            Self::Committed { .. } => Ending::Published,
        }
    }
}

impl fmt::Display for PartOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(part, how) => write!(f, "part {part}: {how}"),
            Self::Committed { part, number, shards, uploaded, elapsed } => write!(
                f,
                "part {part}: release {number} is committed; {shards} of its shards are this part's, {uploaded} of them \
                 uploaded; {:.2} s",
                elapsed.as_secs_f64()
            ),
        }
    }
}
