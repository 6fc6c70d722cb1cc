use std::{fmt::Display, ops::RangeInclusive};

use async_trait::async_trait;

use super::SourceError;
use crate::student::Student;

/// How a source is filled with a generated data set, in an order that can be taken up again where a seeder
/// died: [`begin`](Self::begin), [`load`](Self::load) for each batch that is missing,
/// [`finish`](Self::finish). Any number of seeders with the same plan do each other's work.
#[async_trait]
pub trait Seed: Send + Sync {
    /// Creates the tables where they are missing, and says what no seeder with the same plan has loaded yet.
    /// A database that holds another data set is refused.
    async fn begin(&self, plan: SeedPlan) -> Result<Seeded, SourceError>;

    /// Loads one of the batches that [`begin`](Self::begin) named, in one transaction. Batches are begun in the
    /// order in which they were named, [`loads_at_once`](Self::loads_at_once) of them at a time. What is
    /// loaded already is skipped.
    async fn load(&self, batch: RangeInclusive<u32>, students: Vec<Student>) -> Result<(), SourceError>;

    /// How many loads at once are quicker than one.
    fn loads_at_once(&self) -> usize;

    /// Declares the data set complete: from here on every change is logged, and it may be published.
    async fn finish(&self) -> Result<(), SourceError>;
}

/// Which data set to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeedPlan {
    /// The generator's seed.
    pub seed: u64,
    /// The ids are 1 ..= students.
    pub students: u32,
    /// How many students are loaded in one transaction. No part of the data set: the next seeder may have
    /// another number.
    pub batch: u32,
}

impl SeedPlan {
    /// Refuses a database that holds the data set of another plan.
    pub(super) fn check_is(
        self,
        seed: &str,
        students: u32,
        complete: bool,
        place: &dyn Display,
    ) -> Result<(), SourceError> {
        if (seed, students) == (self.seed.to_string().as_str(), self.students) {
            return Ok(());
        }
        let state = if complete { "holds" } else { "is half-way through" };
        Err(SourceError::Unusable(format!(
            "{place} {state} another data set: --students {students} --seed {seed}; \
             give these, or another --database for --students {} --seed {}",
            self.students, self.seed
        )))
    }

    /// The batches of the students behind `there`.
    pub(super) fn batches_after(self, there: u32) -> Vec<RangeInclusive<u32>> {
        let step = self.batch.max(1);
        let firsts = (there.saturating_add(1)..=self.students).step_by(step as usize);
        firsts.map(|first| first..=self.students.min(first.saturating_add(step - 1))).collect()
    }
}

/// How far the seeding of a database has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seeded {
    /// These ids are not loaded yet; none, where only [`Seed::finish`] is missing.
    Missing(Vec<RangeInclusive<u32>>),
    /// All of it, and every change since is logged.
    Complete,
}
