//! The one line that a run ends with.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use results_day::release::{ReleaseNumber, Verified};

/// What a run of `publish` did.
#[derive(Debug)]
pub enum Outcome {
    /// The current release is already what the database holds.
    Unchanged(ReleaseNumber),
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

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged(number) => write!(
                f,
                "release {number} is up to date: nothing changed since, nothing rendered, 0 shards uploaded"
            ),
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

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
