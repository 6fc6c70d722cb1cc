use std::ops::RangeInclusive;

use async_trait::async_trait;
use sqlx::{Connection, PgConnection};

use super::{
    super::{Seed, SeedPlan, Seeded, SourceError},
    PostgresSource,
    connect::Purpose,
    copy::Encoder,
    schema, signed,
};
use crate::{
    random,
    student::{MARKS, Stream, Student},
};

/// Loads at once: twice as many as processors are busy with them. Each of its three COPYs ends with a small message
/// that the network holds back for some 40 ms (Nagle's algorithm, which sqlx leaves on), and meanwhile others work.
const LOADS: usize = 4;

#[async_trait]
impl Seed for PostgresSource {
    async fn begin(&self, plan: SeedPlan) -> Result<Seeded, SourceError> {
        let mut connection = self.server.connect(Purpose::Bulk).await?;
        if sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(&mut connection).await? {
            return Err(schema::standby(self.server.place()));
        }
        refuse_other_tables(&mut connection, self.server.place()).await?;
        schema::migrate(&mut connection, Some(schema::TABLES)).await?;
        name_data_set(&mut connection, plan).await?;
        let (seed, students, complete): (String, i32, bool) =
            sqlx::query_as("SELECT seed, students, complete FROM data_set")
                .fetch_one(&mut connection)
                .await?;
        plan.check_is(&seed, students.unsigned_abs(), complete, &self.server.place())?;
        if complete {
            return Ok(Seeded::Complete);
        }
        let missing: Vec<(i32, i32)> =
            sqlx::query_as("SELECT first_id, last_id FROM seed_batches WHERE NOT loaded ORDER BY first_id")
                .fetch_all(&mut connection)
                .await?;
        let batches = missing.into_iter().map(|(first, last)| first.unsigned_abs()..=last.unsigned_abs());
        Ok(Seeded::Missing(batches.collect()))
    }

    async fn load(&self, batch: RangeInclusive<u32>, students: Vec<Student>) -> Result<(), SourceError> {
        let mut connection = self.server.connect(Purpose::Bulk).await?;
        let mut transaction = connection.begin().await?;
        // The row's lock makes a second loader of this batch wait for the first, and find the batch loaded.
        let taken = sqlx::query("UPDATE seed_batches SET loaded = true WHERE first_id = $1 AND NOT loaded")
            .bind(signed(*batch.start())?)
            .execute(&mut *transaction)
            .await?;
        if taken.rows_affected() == 0 {
            return Ok(());
        }
        copy_in(&mut transaction, "students", people(&students)?).await?;
        for stream in Stream::ALL {
            let table = format!("{}_results", stream.as_str());
            copy_in(&mut transaction, &table, results(stream, &students)?).await?;
        }
        Ok(transaction.commit().await?)
    }

    fn loads_at_once(&self) -> usize {
        LOADS
    }

    async fn finish(&self) -> Result<(), SourceError> {
        let mut connection = self.server.connect(Purpose::Bulk).await?;
        let missing: i64 = sqlx::query_scalar("SELECT count(*) FROM seed_batches WHERE NOT loaded")
            .fetch_one(&mut connection)
            .await?;
        if missing > 0 {
            return Err(SourceError::Unusable(format!(
                "{missing} batches of the data set are not loaded yet"
            )));
        }
        schema::migrate(&mut connection, None).await?;
        let mut transaction = connection.begin().await?;
        let completed = sqlx::query("UPDATE data_set SET complete = true WHERE NOT complete");
        if completed.execute(&mut *transaction).await?.rows_affected() > 0 {
            // The load went round the triggers: whoever heard of this data set before knows nothing.
            sqlx::raw_sql("SELECT log_changes('{0}')").execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        let analyze = "ANALYZE students, natural_science_results, social_science_results";
        sqlx::raw_sql(analyze).execute(&mut connection).await?;
        Ok(())
    }
}

/// A database that holds tables of ours which no migration made belongs to somebody else.
async fn refuse_other_tables(connection: &mut PgConnection, place: &str) -> Result<(), SourceError> {
    let taken: Option<String> = sqlx::query_scalar(
        // Not the information schema, which hides what this role may not use.
        "SELECT relname::text FROM pg_class \
         WHERE relnamespace = 'public'::regnamespace AND to_regclass('public._sqlx_migrations') IS NULL \
         AND relname IN ('students', 'natural_science_results', 'social_science_results', 'data_set', \
                         'seed_batches', 'changes', 'release_tokens') LIMIT 1",
    )
    .fetch_optional(connection)
    .await?;
    match taken {
        None => Ok(()),
        Some(table) => Err(SourceError::Unusable(format!(
            "{place} is a database of something else: it has a table {table} that no migration of this program \
             made; give a database of its own"
        ))),
    }
}

/// Names a new data set and the batches that it is to be loaded in. Of several seeders one does it.
async fn name_data_set(connection: &mut PgConnection, plan: SeedPlan) -> Result<(), SourceError> {
    let mut transaction = connection.begin().await?;
    let named =
        sqlx::query("INSERT INTO data_set (id, seed, students) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(random::hex_u128())
            .bind(plan.seed.to_string())
            .bind(signed(plan.students)?)
            .execute(&mut *transaction)
            .await?;
    if named.rows_affected() > 0 {
        let batches = plan.batches_after(0);
        let ends = |end: fn(&RangeInclusive<u32>) -> u32| -> Result<Vec<i32>, SourceError> {
            batches.iter().map(|batch| signed(end(batch))).collect()
        };
        sqlx::query(
            "INSERT INTO seed_batches (first_id, last_id) SELECT * FROM unnest($1::integer[], $2::integer[])",
        )
        .bind(ends(|batch| *batch.start())?)
        .bind(ends(|batch| *batch.end())?)
        .execute(&mut *transaction)
        .await?;
    }
    Ok(transaction.commit().await?)
}

async fn copy_in(connection: &mut PgConnection, table: &str, rows: Vec<u8>) -> Result<(), SourceError> {
    let mut copy = connection.copy_in_raw(&format!("COPY {table} FROM STDIN (FORMAT binary)")).await?;
    copy.send(rows).await?;
    copy.finish().await?;
    Ok(())
}

fn people(students: &[Student]) -> Result<Vec<u8>, SourceError> {
    let mut rows = Encoder::new();
    for Student { id, name, sex, school, region, stream, .. } in students {
        rows.row(6).int4(signed(id.get())?).text(name).text(sex.as_str()).text(school).text(region);
        rows.text(stream.as_str());
    }
    Ok(rows.finish())
}

fn results(stream: Stream, students: &[Student]) -> Result<Vec<u8>, SourceError> {
    const FIELDS: i16 = 1 + MARKS as i16;
    let mut rows = Encoder::new();
    for student in students.iter().filter(|student| student.stream == stream) {
        rows.row(FIELDS).int4(signed(student.id.get())?);
        for mark in student.marks {
            rows.int2(i16::from(mark));
        }
    }
    Ok(rows.finish())
}
