use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Which transactions a reader of the database saw: PostgreSQL's `pg_snapshot`, in its text form
/// `xmin:xmax:xip,xip`.
///
/// SQLite, with its single writer, has no transactions in flight: there the numbers are commit-ordered
/// revisions, and a snapshot that saw revision 7 and everything before it is `8:8:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Snapshot {
    xmin: u64,
    xmax: u64,
    in_progress: Vec<u64>,
}

/// A text that is no snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a snapshot of the form xmin:xmax:xip,…  with xmin <= xip < xmax in ascending order")]
pub struct ParseSnapshotError(String);

impl Snapshot {
    /// The snapshot that saw nothing: every change is news to it.
    pub const NOTHING: Self = Self { xmin: 0, xmax: 0, in_progress: Vec::new() };

    /// The snapshot that saw this revision and all before it, and nothing else.
    pub fn of_revision(revision: u64) -> Self {
        let next = revision.saturating_add(1);
        Self { xmin: next, xmax: next, in_progress: Vec::new() }
    }

    /// Whether the snapshot saw this transaction: PostgreSQL's `pg_visible_in_snapshot`.
    pub fn sees(&self, transaction: u64) -> bool {
        transaction < self.xmin
            || (transaction < self.xmax && self.in_progress.binary_search(&transaction).is_err())
    }

    /// The first transaction that the snapshot did not see and that is not in [`Self::in_progress`].
    pub fn xmax(&self) -> u64 {
        self.xmax
    }

    /// The transactions before `xmax` that had not ended, ascending.
    pub fn in_progress(&self) -> &[u64] {
        &self.in_progress
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.xmin, self.xmax)?;
        for (place, transaction) in self.in_progress.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{transaction}")?;
        }
        Ok(())
    }
}

impl FromStr for Snapshot {
    type Err = ParseSnapshotError;

    fn from_str(text: &str) -> Result<Self, ParseSnapshotError> {
        // A sign or a leading zero would be a second text of the same snapshot.
        let snapshot = parse(text).filter(|snapshot| snapshot.to_string() == text);
        snapshot.ok_or_else(|| ParseSnapshotError(text.chars().take(80).collect()))
    }
}

fn parse(text: &str) -> Option<Snapshot> {
    let mut parts = text.split(':');
    let xmin: u64 = parts.next()?.parse().ok()?;
    let xmax: u64 = parts.next()?.parse().ok()?;
    let in_progress = match parts.next()? {
        "" => Vec::new(),
        list => list.split(',').map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?,
    };
    let ascending = in_progress.is_sorted_by(|a, b| a < b);
    let within = in_progress.iter().all(|transaction| (xmin..xmax).contains(transaction));
    (parts.next().is_none() && xmin <= xmax && ascending && within).then_some(Snapshot {
        xmin,
        xmax,
        in_progress,
    })
}

impl TryFrom<String> for Snapshot {
    type Error = ParseSnapshotError;

    fn try_from(text: String) -> Result<Self, ParseSnapshotError> {
        text.parse()
    }
}

impl From<Snapshot> for String {
    fn from(snapshot: Snapshot) -> Self {
        snapshot.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_snapshot_sees_what_had_committed_and_nothing_in_flight() {
        let snapshot: Snapshot = "749:755:749,752".parse().unwrap();
        let seen = (747..=756).filter(|transaction| snapshot.sees(*transaction));
        assert_eq!(seen.collect::<Vec<_>>(), [747, 748, 750, 751, 753, 754]);
    }

    #[test]
    fn a_revision_is_seen_by_its_own_snapshot_and_by_no_earlier_one() {
        assert!(Snapshot::of_revision(7).sees(7));
        assert!(!Snapshot::of_revision(6).sees(7));
        assert_eq!(Snapshot::of_revision(7).to_string(), "8:8:");
        assert!(!Snapshot::NOTHING.sees(0));
    }

    #[test]
    fn a_text_that_is_no_snapshot_is_refused() {
        for text in [
            "", "1", "1:2", "2:1:", "1:3:3", "1:3:0", "1:9:3,2", "1:9:3,3", "1:2::", "a:b:", "1:2:,",
            "+1:2:", "01:2:",
        ] {
            assert!(text.parse::<Snapshot>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_snapshot_survives_its_text(xmin in 0_u64..1000, span in 0_u64..50, picks in any::<u64>()) {
            let in_progress = (0..span).filter(|bit| picks >> bit & 1 == 1).map(|bit| xmin + bit).collect();
            let snapshot = Snapshot { xmin, xmax: xmin + span, in_progress };
            prop_assert_eq!(snapshot.to_string().parse(), Ok(snapshot));
        }
    }
}
