use std::{fmt, ops::RangeInclusive};

use serde::{Deserialize, Serialize};

use crate::student::StudentId;

/// How many ids share a prefix: a power of ten, so that a shard's prefix is the first digits of its ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Width(u32);

/// A number that is no shard width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a shard's width is a power of ten from 10 to 1,000,000,000, not {0}")]
pub struct WidthError(u32);

impl Width {
    /// The width for dense ids, and the finest that [`Width::choose`] takes.
    pub const DENSE: Self = Self(1_000);
    const MAX: Self = Self(1_000_000_000);
    /// A blob of fewer students costs more in requests to the store than it saves in an incremental
    /// publication.
    const STUDENTS_PER_SHARD: u64 = 500;

    /// The width with this many ids.
    pub fn new(ids: u32) -> Result<Self, WidthError> {
        let power_of_ten = (1..=9).any(|digits| 10_u32.pow(digits) == ids);
        if power_of_ten { Ok(Self(ids)) } else { Err(WidthError(ids)) }
    }

    /// How many ids share a prefix.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The prefix of the shard that holds this id.
    pub const fn prefix(self, id: StudentId) -> u32 {
        id.get() / self.0
    }

    /// The ids with this prefix, or `None` where there can be none.
    pub fn ids(self, prefix: u32) -> Option<RangeInclusive<u32>> {
        let first = prefix.checked_mul(self.0)?.max(StudentId::MIN.get());
        let last = prefix.checked_mul(self.0)?.saturating_add(self.0 - 1).min(StudentId::MAX.get());
        (first <= last).then_some(first..=last)
    }

    /// The smallest width that averages at least 500 students in the shards that exist, given how many
    /// students each block of [`Width::DENSE`] ids holds, in the order of the blocks. Where there are too
    /// few students for that, the smallest width that needs the fewest shards.
    pub fn choose(blocks: &[(u32, u32)]) -> Self {
        let students: u64 = blocks.iter().map(|(_, students)| u64::from(*students)).sum();
        let shards = |width: Self| {
            let prefixes = blocks.iter().map(|(block, _)| block / (width.0 / Self::DENSE.0));
            let mut last = None;
            prefixes.filter(|prefix| last.replace(*prefix) != Some(*prefix)).count() as u64
        };
        let widths = || (3..=9).map(|digits| Self(10_u32.pow(digits)));
        widths()
            .find(|width| students >= shards(*width) * Self::STUDENTS_PER_SHARD)
            .or_else(|| widths().min_by_key(|width| shards(*width)))
            .unwrap_or(Self::MAX)
    }
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u32> for Width {
    type Error = WidthError;

    fn try_from(ids: u32) -> Result<Self, WidthError> {
        Self::new(ids)
    }
}

impl From<Width> for u32 {
    fn from(width: Width) -> Self {
        width.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(ids: impl IntoIterator<Item = u32>) -> Vec<(u32, u32)> {
        let mut blocks: Vec<(u32, u32)> = Vec::new();
        for id in ids {
            match blocks.last_mut() {
                Some((block, students)) if *block == id / 1_000 => *students += 1,
                _ => blocks.push((id / 1_000, 1)),
            }
        }
        blocks
    }

    #[test]
    fn dense_ids_get_a_width_of_a_thousand() {
        assert_eq!(Width::choose(&blocks(1..=674_823)), Width::DENSE);
        assert_eq!(Width::choose(&blocks(10_000..=10_600)), Width::DENSE);
    }

    #[test]
    fn sparse_ids_get_the_smallest_width_that_fills_the_shards_which_exist() {
        assert_eq!(Width::choose(&blocks((1..=999_999_999).step_by(100))).get(), 100_000);
        assert_eq!(Width::choose(&blocks((1..=999_999_999).step_by(99_999))).get(), 100_000_000);
        // Two dense towns far apart: the empty country between them has no shards.
        assert_eq!(Width::choose(&blocks((0..5_000).chain(900_000_000..900_005_000))), Width::DENSE);
    }

    #[test]
    fn few_students_share_as_few_shards_as_can_be() {
        assert_eq!(Width::choose(&blocks([1, 2, 3])), Width::DENSE);
        assert_eq!(Width::choose(&blocks([1, 1_500])).get(), 10_000);
        assert_eq!(Width::choose(&blocks([1, 999_999_999])).get(), 1_000_000_000);
        assert_eq!(Width::choose(&[]), Width::DENSE);
    }

    #[test]
    fn a_prefix_and_its_ids_agree_at_both_ends() {
        assert_eq!(Width::DENSE.ids(0), Some(1..=999));
        assert_eq!(Width::DENSE.ids(674), Some(674_000..=674_999));
        assert_eq!(Width::DENSE.ids(999_999), Some(999_999_000..=999_999_999));
        assert_eq!(Width::DENSE.ids(1_000_000), None);
        assert_eq!(Width::DENSE.ids(u32::MAX), None);
        assert_eq!(Width::MAX.ids(0), Some(1..=999_999_999));
        assert_eq!(Width::DENSE.prefix(StudentId::new(999).unwrap()), 0);
        assert_eq!(Width::DENSE.prefix(StudentId::new(1_000).unwrap()), 1);
    }

    #[test]
    fn only_powers_of_ten_are_widths() {
        for ids in [0, 1, 999, 1_001, u32::MAX] {
            assert_eq!(Width::new(ids), Err(WidthError(ids)));
        }
        assert_eq!(Width::new(10).map(Width::get), Ok(10));
    }
}
