//! The one line that a run ends with.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use results_day::release::{Collection, Manifest, ReleaseNumber, Verified};

use crate::metrics::Ending;

/// What a run of `publish` did.
#[derive(Debug)]
pub enum Outcome {
    /// The current release is already what the database holds.
    Unchanged(ReleaseNumber),
    /// The current release is a rollback, on which only a person publishes.
    RolledBack(ReleaseNumber),
    /// The publication in parts that this was to commit had ended already; how.
    Ended(String),
    /// A new release is current.
    Published {
        /// Its number.
        number: ReleaseNumber,
        /// How many students it holds.
        students: u64,
        /// In how many shards.
        shards: usize,
        /// How many of the shards were uploaded; the parent's blobs are the others.
        uploaded: usize,
        /// Their bytes.
        uploaded_bytes: u64,
        /// The embargo, where it has not ended.
        not_before: Option<Timestamp>,
        /// From the first question to the commit.
        elapsed: Duration,
    },
}

impl Outcome {
    /// What it counts as.
    pub fn ending(&self) -> Ending {
        match self {
            Self::Unchanged(_) | Self::Ended(_) => Ending::Unchanged,
            Self::RolledBack(_) => Ending::RolledBack,
            Self::Published { .. } => Ending::Published,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged(number) => write!(
                f,
                "release {number} is up to date: nothing changed since, nothing rendered, 0 shards uploaded"
            ),
            Self::Ended(how) => how.fmt(f),
            Self::RolledBack(number) => {
                write!(
                    f,
                    "release {number} is a rollback: nothing is published on top of it before a person does"
                )
            }
            Self::Published { number, students, shards, uploaded, uploaded_bytes, not_before, elapsed } => {
                write!(
                    f,
                    "release {number}: {students} students in {shards} shards; {uploaded} shards uploaded \
                     ({:.1} MB), {} reused; {:.2} s",
                    megabytes(*uploaded_bytes),
                    shards - uploaded,
                    elapsed.as_secs_f64(),
                )?;
                match not_before {
                    Some(instant) => write!(f, "; nobody sees it before {instant}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// What `publish verify` found to be whole.
pub fn verified(number: ReleaseNumber, verified: Verified) -> String {
    let Verified { shards, students, bytes } = verified;
    format!(
        "release {number} is whole: {students} documents in {shards} shards, {:.1} MB read and checked",
        megabytes(bytes)
    )
}

/// What `publish rollback` did.
pub fn rolled_back(number: ReleaseNumber, committed: Option<&Manifest>) -> String {
    match committed {
        None => format!("the current release shows what release {number} does; nothing to do"),
        Some(committed) => format!(
            "release {} shows what release {number} does: {} students in {} shards; who has changed since is answered \
             live, and no watcher publishes until somebody does",
            committed.number,
            committed.students,
            committed.shards.len()
        ),
    }
}

/// What `publish collect` did, or would do.
pub fn collected(collection: &Collection, deleted: bool) -> String {
    let Collection { oldest, fence, releases, objects, bytes } = collection;
    let Some(oldest) = oldest else {
        return "nothing is published, and nothing is there to collect".to_owned();
    };
    if releases.is_empty() && *objects == 0 {
        return format!("nothing to collect; the oldest release that is kept is {oldest}");
    }
    let what = format!(
        "{} releases before release {oldest} and {objects} objects that no release from there on names ({:.1} MB)",
        releases.len(),
        megabytes(*bytes)
    );
    match fence {
        Some(fence) if deleted => format!("collected {what}; release {fence} is the fence"),
        _ => format!("would collect {what}; to do it, say --delete"),
    }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
