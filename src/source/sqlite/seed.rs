use std::{ops::RangeInclusive, path::Path};

use async_trait::async_trait;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{
    super::{Seed, SeedPlan, Seeded, SourceError},
    SqliteSource, blocking, data_set, pool, schema,
};
use crate::{
    private, random,
    student::{MARKS, Stream, Student},
};

#[async_trait]
impl Seed for SqliteSource {
    async fn begin(&self, plan: SeedPlan) -> Result<Seeded, SourceError> {
        let path = self.pool.path().to_owned();
        blocking(move || {
            if let Some(folder) = path.parent() {
                private::create_folder(folder).map_err(|error| {
                    SourceError::Unusable(format!("creating the folder {}: {error}", folder.display()))
                })?;
            }
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let mut connection = Connection::open_with_flags(&path, flags)?;
            pool::configure(&connection)?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let seeded = create_or_resume(&transaction, plan, &path)?;
            transaction.commit()?;
            // Only now: a database of something else stays as it is.
            connection.pragma_update(None, "journal_mode", "WAL")?;
            Ok(seeded)
        })
        .await
    }

    async fn load(&self, _batch: RangeInclusive<u32>, students: Vec<Student>) -> Result<(), SourceError> {
        self.pool
            .run(move |connection| {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                insert(&transaction, &students)?;
                Ok(transaction.commit()?)
            })
            .await
    }

    /// SQLite has one writer; and in this order the greatest id says how far a seeder came.
    fn loads_at_once(&self) -> usize {
        1
    }

    async fn finish(&self) -> Result<(), SourceError> {
        self.pool
            .run(|connection| {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                if data_set(&transaction)?.complete {
                    return Ok(()); // Another seeder with the same plan was faster.
                }
                schema::create_triggers(&transaction)?;
                // The load went round the triggers: whoever heard of this data set before knows nothing.
                transaction.execute("UPDATE data_set SET complete = 1, revision = revision + 1", [])?;
                transaction.execute(
                    "INSERT OR REPLACE INTO changes SELECT 0, revision, random() FROM data_set",
                    [],
                )?;
                transaction.commit()?;
                connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); ANALYZE")?;
                Ok(())
            })
            .await
    }
}

fn create_or_resume(
    transaction: &Transaction<'_>,
    plan: SeedPlan,
    path: &Path,
) -> Result<Seeded, SourceError> {
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        schema::create(transaction)?;
        transaction.execute(
            "INSERT INTO data_set VALUES (1, ?, ?, ?, 0, 0)",
            params![random::hex_u128(), plan.seed.to_string(), plan.students],
        )?;
    }
    schema::check_version(transaction, path, "is a database of something else")?;
    let path = path.display();
    let there = transaction
        .query_row("SELECT seed, students, complete FROM data_set", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?, row.get::<_, bool>(2)?))
        })
        .optional()
        .map_err(|_| SourceError::Unusable(format!("{path} is a database of something else")))?;
    let Some((seed, students, complete)) = there else {
        return Err(SourceError::Unusable(format!("{path} has lost the row that names its data set")));
    };
    plan.check_is(&seed, students, complete, &path)?;
    if complete {
        return Ok(Seeded::Complete);
    }
    let last = transaction.query_row("SELECT coalesce(max(id), 0) FROM students", [], |row| row.get(0))?;
    Ok(Seeded::Missing(plan.batches_after(last)))
}

/// Students who are there already are skipped: two seeders at once do each other's work.
fn insert(transaction: &Transaction<'_>, students: &[Student]) -> Result<(), SourceError> {
    let mut rows = transaction.prepare_cached("INSERT OR IGNORE INTO students VALUES (?, ?, ?, ?, ?, ?)")?;
    for student in students {
        let Student { id, name, sex, school, region, stream, .. } = student;
        rows.execute(params![id.get(), name, sex.as_str(), school, region, stream.as_str()])?;
    }
    for stream in Stream::ALL {
        let values = ", ?".repeat(MARKS);
        let table = format!("INSERT OR IGNORE INTO {}_results VALUES (?{values})", stream.as_str());
        let mut rows = transaction.prepare_cached(&table)?;
        for student in students.iter().filter(|student| student.stream == stream) {
            let [a, b, c, d, e, f, g] = student.marks;
            rows.execute(params![student.id.get(), a, b, c, d, e, f, g])?;
        }
    }
    Ok(())
}
