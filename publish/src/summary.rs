//! The one line that a run ends with.

use std::{fmt, time::Duration};

use results_day::release::{ReleaseNumber, Verified};

/// What a run of `publish` did.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The current release is already what the database holds.
    Unchanged(ReleaseNumber),
    /// The current release is a rollback, on which only a person publishes.
    RolledBack(ReleaseNumber),
    /// A new release is current.
    Published {
        number: ReleaseNumber,
        students: u64,
        shards: usize,
        uploaded: usize,
        uploaded_bytes: u64,
        elapsed: Duration,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged(number) => write!(
                f,
                "release {number} is up to date: nothing changed since, nothing rendered, 0 shards uploaded"
            ),
            Self::RolledBack(number) => {
                write!(
                    f,
                    "release {number} is a rollback: nothing is published on top of it before a person does"
                )
            }
            Self::Published { number, students, shards, uploaded, uploaded_bytes, elapsed } => write!(
                f,
                "release {number}: {students} students in {shards} shards; {uploaded} shards uploaded \
                 ({:.1} MB), {} reused; {:.2} s",
                megabytes(*uploaded_bytes),
                shards - uploaded,
                elapsed.as_secs_f64(),
            ),
        }
    }
}

/// What `publish verify` found to be whole.
pub(crate) fn verified(number: ReleaseNumber, verified: Verified) -> String {
    let Verified { shards, students, bytes } = verified;
    format!(
        "release {number} is whole: {students} documents in {shards} shards, {:.1} MB read and checked",
        megabytes(bytes)
    )
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
