use std::{
    ops::RangeInclusive,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use rusqlite::{Connection, params};
use tokio::sync::mpsc;

use super::{
    super::{Origin, SnapshotReader, SourceError},
    blocking, changes_since, data_set, holds,
    pool::{Pool, Pooled},
    rows,
};
use crate::{
    changes::{ChangeLog, Snapshot},
    random,
    shard::Width,
    student::{Student, StudentId},
};

/// One read transaction on a connection of its own: WAL keeps the file still for it while others write.
pub(super) struct SqliteSnapshot {
    connection: Arc<Mutex<Pooled>>,
    origin: Origin,
}

impl SqliteSnapshot {
    pub(super) fn take(pool: &Pool) -> Result<Self, SourceError> {
        let connection = pool.open()?;
        check_complete(&connection, pool.path())?;
        // A restored copy may have lost the mode in which the token can be written beside the open reader.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.execute_batch("BEGIN")?;
        let data_set = data_set(&connection)?;
        // Only now: whoever holds the token holds everything that was committed before it, and so the snapshot.
        let token = random::hex_u64();
        let writer = pool.open()?;
        if writer.incarnation() != connection.incarnation() {
            return Err(SourceError::Unavailable(
                "another file took the database's place just now".to_owned(),
            ));
        }
        writer.execute("INSERT INTO release_tokens VALUES (?)", params![token])?;
        let origin =
            Origin { system: data_set.id.clone(), data_set: data_set.id, token, snapshot: data_set.snapshot };
        Ok(Self { connection: Arc::new(Mutex::new(connection)), origin })
    }
}

#[async_trait]
impl SnapshotReader for SqliteSnapshot {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    async fn census(&mut self) -> Result<Vec<(u32, u32)>, SourceError> {
        let connection = self.connection.clone();
        blocking(move || {
            lock(&connection)
                .prepare(&format!(
                    "SELECT id / {}, count(*) FROM students GROUP BY 1 ORDER BY 1",
                    Width::DENSE
                ))?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()
                .map_err(Into::into)
        })
        .await
    }

    async fn holds(&mut self, origin: &Origin) -> Result<bool, SourceError> {
        let (connection, origin) = (self.connection.clone(), origin.clone());
        blocking(move || holds(&lock(&connection), &origin)).await
    }

    async fn changes(&mut self, since: &Snapshot) -> Result<ChangeLog, SourceError> {
        let (connection, since) = (self.connection.clone(), since.clone());
        blocking(move || Ok(changes_since(&lock(&connection), &since)?.into_iter().collect())).await
    }

    async fn students(&mut self, ids: &[StudentId]) -> Result<Vec<Student>, SourceError> {
        let (connection, mut ids) = (self.connection.clone(), ids.to_vec());
        ids.sort_unstable();
        ids.dedup();
        blocking(move || {
            let connection = lock(&connection);
            let mut statement = connection.prepare(&rows::STUDENTS)?;
            let mut students = Vec::new();
            for id in ids {
                let mut found = statement.query(params![id.get(), id.get()])?;
                if let Some(row) = found.next()? {
                    students.extend(rows::student_of(row)?);
                }
            }
            Ok(students)
        })
        .await
    }

    async fn read(
        self: Box<Self>,
        ranges: Vec<RangeInclusive<u32>>,
        batches: mpsc::Sender<Vec<Student>>,
    ) -> Result<(), SourceError> {
        blocking(move || {
            let connection = lock(&self.connection);
            let mut statement = connection.prepare(&rows::STUDENTS)?;
            for range in ranges {
                let mut batch = Vec::new();
                let mut found = statement.query(params![range.start(), range.end()])?;
                while let Some(row) = found.next()? {
                    batch.extend(rows::student_of(row)?);
                }
                if batches.blocking_send(batch).is_err() {
                    break;
                }
            }
            Ok(())
        })
        .await
    }
}

/// Whatever a panicking thread did, a read transaction is what it was.
fn lock(connection: &Mutex<Pooled>) -> MutexGuard<'_, Pooled> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn check_complete(connection: &Connection, path: &Path) -> Result<(), SourceError> {
    if data_set(connection)?.complete {
        return Ok(());
    }
    Err(SourceError::Unusable(format!(
        "the data set in {} is not complete: a seeder died or is still at work; run db-seeder to the end first",
        path.display()
    )))
}
