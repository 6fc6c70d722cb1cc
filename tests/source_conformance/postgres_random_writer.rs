//! PostgreSQL: somebody who corrects a few students at random, in every way that a transaction can take.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::postgres::Corrector;

/// The students who are corrected; those behind them are left alone.
pub(crate) const CORRECTED: u32 = 40;

/// Random numbers that a seed determines: splitmix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) % u64::from(limit)) as u32
    }

    fn student(&mut self) -> u32 {
        1 + self.below(CORRECTED)
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u32) as usize]
    }
}

/// A writer with a session, a name for its prepared transactions, and its own random numbers.
pub(crate) struct Writer {
    pub(crate) corrector: Corrector,
    pub(crate) name: String,
    pub(crate) random: Random,
    /// Whether it empties whole tables now and then.
    pub(crate) truncates: bool,
    pub(crate) committed: u32,
    pub(crate) failed: u32,
}

/// What a writer meets among others: it was not serializable, it deadlocked, it waited for a lock too long, or somebody
/// has the id already, or the student's row is gone.
const EXPECTED: [&str; 5] = ["40001", "40P01", "55P03", "23505", "23503"];

impl Writer {
    /// Corrects until it is told to stop. Nothing that it began is left over.
    pub(crate) async fn run(mut self, stop: &AtomicBool) -> Self {
        self.corrector.run("SET lock_timeout = '200ms'; SET deadlock_timeout = '20ms'").await;
        let mut prepared = false;
        while !stop.load(Ordering::Relaxed) || prepared {
            if prepared {
                // Others may have had a turn meanwhile, and it must be over before its locks are met again.
                let end = self.random.one_of(&["COMMIT", "COMMIT", "ROLLBACK"]);
                self.corrector.run(&format!("{end} PREPARED '{}'", self.name)).await;
                prepared = false;
                self.committed += u32::from(end == "COMMIT");
            } else {
                match self.transaction().await {
                    Ok(end) => {
                        prepared = end == "PREPARE TRANSACTION";
                        self.committed += u32::from(end == "COMMIT");
                    }
                    Err(state) => {
                        assert!(EXPECTED.contains(&&*state), "SQLSTATE {state}");
                        self.corrector.run("ROLLBACK").await;
                        self.failed += 1;
                    }
                }
            }
            if self.random.below(4) == 0 {
                tokio::task::yield_now().await;
            }
        }
        self
    }

    /// One transaction, and how it ended.
    async fn transaction(&mut self) -> Result<&'static str, String> {
        let isolation =
            self.random.one_of(&["READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]);
        self.corrector.run(&format!("BEGIN ISOLATION LEVEL {isolation}")).await;
        if self.random.below(3) == 0 {
            // It has its number long before it writes.
            self.corrector.ask("pg_current_xact_id()").await;
        }
        for place in 0..1 + self.random.below(4) {
            let savepoint = self.random.below(3) == 0;
            if savepoint {
                self.corrector.run(&format!("SAVEPOINT s{place}")).await;
            }
            let statement = self.statement();
            match self.corrector.try_to(&statement).await {
                Err(state) if savepoint && state.starts_with("23") => {
                    self.corrector.run(&format!("ROLLBACK TO SAVEPOINT s{place}")).await;
                }
                ended => ended?,
            }
            if savepoint {
                let end = self.random.one_of(&["ROLLBACK TO SAVEPOINT", "RELEASE SAVEPOINT", ""]);
                if !end.is_empty() {
                    self.corrector.run(&format!("{end} s{place}")).await;
                }
            }
        }
        let end = self.random.one_of(&["COMMIT", "COMMIT", "COMMIT", "ROLLBACK", "PREPARE TRANSACTION"]);
        if end == "PREPARE TRANSACTION" {
            self.corrector.try_to(&format!("{end} '{}'", self.name)).await?;
        } else {
            self.corrector.try_to(end).await?;
        }
        Ok(end)
    }

    fn statement(&mut self) -> String {
        let [id, other] = [self.random.student(), self.random.student()];
        let mark = self.random.below(101);
        let (stream, from) = self.streams();
        let name = format!("Name {}", self.random.below(1_000_000));
        let person = format!("'{name}', 'F', 'S', 'R', '{stream}'");
        if self.truncates && self.random.below(40) == 0 {
            return self
                .random
                .one_of(&["TRUNCATE natural_science_results", "TRUNCATE social_science_results"])
                .to_owned();
        }
        match self.random.below(15) {
            0 | 1 => format!("UPDATE students SET name = '{name}' WHERE id = {id}"),
            2 => format!("UPDATE students SET name = '{name}' WHERE id BETWEEN {id} AND {id} + 3"),
            3 | 4 => format!("UPDATE {stream}_results SET english = {mark} WHERE student_id = {id}"),
            5 => format!("DELETE FROM students WHERE id = {id}"),
            6 => format!("DELETE FROM {stream}_results WHERE student_id = {id}"),
            7 => format!("INSERT INTO students VALUES ({id}, {person}) ON CONFLICT DO NOTHING"),
            8 => format!(
                "INSERT INTO students VALUES ({id}, {person}), ({}, {person}) \
                 ON CONFLICT (id) DO UPDATE SET name = excluded.name",
                id + 1
            ),
            9 | 10 => format!(
                "INSERT INTO {stream}_results SELECT id, {mark}, 2, 3, 4, 5, 6, 7 FROM students \
                 WHERE id BETWEEN {id} AND {id} + 2 AND stream = '{stream}' \
                 ON CONFLICT (student_id) DO UPDATE SET english = excluded.english"
            ),
            // Another id: by cascade with the results.
            11 => format!("UPDATE students SET id = {other} WHERE id = {id}"),
            12 => format!(
                "MERGE INTO students USING (SELECT {id} UNION SELECT {other} + 1) AS new (id) ON students.id = new.id \
                 WHEN MATCHED AND sex = 'M' THEN DELETE \
                 WHEN MATCHED THEN UPDATE SET name = '{name}' \
                 WHEN NOT MATCHED THEN INSERT VALUES (new.id, {person})"
            ),
            // Another stream, in one statement.
            13 => format!(
                "WITH moved AS (DELETE FROM {from}_results WHERE student_id = {id} RETURNING *), \
                      person AS (UPDATE students SET stream = '{stream}' WHERE id = {id}) \
                 INSERT INTO {stream}_results SELECT * FROM moved ON CONFLICT DO NOTHING"
            ),
            _ => format!(
                "WITH gone AS (DELETE FROM {from}_results WHERE student_id = {id} RETURNING student_id) \
                 UPDATE students SET name = '{name}' WHERE id IN (SELECT student_id + 1 FROM gone)"
            ),
        }
    }

    fn streams(&mut self) -> (&'static str, &'static str) {
        if self.random.below(2) == 0 {
            ("natural_science", "social_science")
        } else {
            ("social_science", "natural_science")
        }
    }
}
