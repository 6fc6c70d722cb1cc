use async_trait::async_trait;

use super::SourceError;
use crate::student::Student;

/// How a source is filled with a generated data set, in an order that can be taken up again where a seeder
/// died: [`begin`](Self::begin), any number of [`load`](Self::load), [`finish`](Self::finish).
#[async_trait]
pub trait Seed: Send + Sync {
    /// Creates the tables where they are missing, and says how far an earlier seeder with the same plan
    /// came. A database that holds another data set is refused.
    async fn begin(&self, plan: SeedPlan) -> Result<Seeded, SourceError>;

    /// Adds students in one transaction. Batches come in id order.
    async fn load(&self, students: Vec<Student>) -> Result<(), SourceError>;

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
}

/// How far the seeding of a database has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seeded {
    /// Students 1 ..= this id are loaded; 0 where none is.
    UpTo(u32),
    /// All of it, and every change since is logged.
    Complete,
}
