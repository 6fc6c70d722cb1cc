//! Proves that every database of results keeps the promises of [`results_day::source`]: one suite, run over
//! each backend.
//!
//! A backend joins by implementing [`Database`], the way round a source to its tables, and by one line of
//! [`run_over`]. The suite's SQL is what the backends have in common; what only one of them can do is tested
//! beside its implementation.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/servers/mod.rs"]
mod servers;

mod changes;
mod leadership;
mod postgres;
mod postgres_backup;
mod postgres_damage;
mod postgres_guarded;
mod postgres_in_flight;
mod postgres_leadership;
mod postgres_migrations;
mod postgres_outage;
mod postgres_polls;
mod postgres_random;
mod postgres_random_writer;
mod postgres_shared;
mod postgres_snapshots;
mod postgres_standby;
mod postgres_triggers;
mod postgres_truncate;
mod postgres_ways_round;
mod reading;
mod seeding;
mod snapshots;
mod sqlite;
mod sqlite_file;

use std::{
    ops::RangeInclusive,
    sync::{Arc, LazyLock},
};

use async_trait::async_trait;
use results_day::{
    changes::{Change, Changed, Snapshot},
    source::{SeedPlan, Seeded, Source},
    student::{Stream, Student, StudentId, generator::Generator},
};

/// An empty database of its own for each test, and two ways to it.
#[async_trait]
pub(crate) trait Database: Send + Sync {
    /// The way of the programs. Each call opens new connections.
    fn source(&self) -> Arc<dyn Source>;

    /// The way of whoever corrects marks: these statements, over another program's connection. All of them
    /// are run, and the one that fails ends the test.
    async fn edit(&self, sql: &str);
}

/// Makes a test of each function of the suite, over the backend that `$new` makes a database of.
macro_rules! run_over {
    ($backend:ident: $new:expr; $($module:ident { $($test:ident,)+ })+) => {
        mod $backend {
            $(mod $module {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let database = $new;
                    crate::$module::$test(&database).await;
                })+
            })+
        }
    };
}

/// The whole suite, once for each backend.
macro_rules! every_test {
    ($backend:ident: $new:expr) => {
        run_over! { $backend: $new;
            seeding {
                a_seeder_that_died_is_taken_up_where_it_was,
                a_batch_that_is_there_already_is_skipped,
                seeders_at_once_do_each_others_work,
                another_plan_is_refused_at_every_stage,
                what_is_complete_stays_as_it_is,
                nothing_is_published_before_the_data_set_is_complete,
                nothing_but_seeding_works_where_there_is_nothing,
                whoever_heard_of_the_data_set_while_it_was_loaded_knows_nothing,
            }
            reading {
                students_are_those_that_the_generator_made,
                ranges_are_read_one_batch_each_in_the_order_they_are_asked_in,
                a_reader_whose_batches_nobody_takes_ends_without_an_error,
                a_census_counts_the_students_of_each_thousand,
                a_student_is_read_with_the_standing_of_the_log,
                a_student_without_results_is_nowhere,
                connections_are_told_of_and_idle_when_nobody_asks,
            }
            changes {
                every_statement_logs_exactly_the_students_it_touches,
                a_change_has_a_token_and_a_transaction_of_its_own,
                a_change_is_news_to_exactly_the_snapshots_before_it,
                the_log_keeps_one_row_for_each_student_ever_changed,
            }
            snapshots {
                a_reader_sees_nothing_that_was_committed_after_its_snapshot,
                a_release_is_held_by_the_data_set_it_was_read_from_and_by_no_other,
                each_snapshot_has_a_token_of_its_own,
                taking_a_snapshot_changes_nothing,
            }
            leadership {
                one_of_several_leads_and_another_when_that_one_is_gone,
                of_many_who_ask_at_once_one_leads,
                who_leads_stands_in_nobodys_way,
            }
        }
    };
}

every_test!(over_sqlite: crate::sqlite::SqliteFile::new());
every_test!(over_postgres: crate::postgres::PostgresDatabase::new());

/// The data set that most tests start from: three thousands, the last not full; in five batches.
pub(crate) const PLAN: SeedPlan = SeedPlan { seed: 7, students: 2_345, batch: 500 };

pub(crate) fn id(number: u32) -> StudentId {
    StudentId::new(number).unwrap()
}

pub(crate) fn generated(number: u32) -> Student {
    static NATION: LazyLock<Generator> = LazyLock::new(|| Generator::new(PLAN.seed));
    NATION.student(id(number))
}

pub(crate) fn generated_students(numbers: impl IntoIterator<Item = u32>) -> Vec<Student> {
    numbers.into_iter().map(generated).collect()
}

/// The first students of the stream, as many as are asked for.
pub(crate) fn of_stream<const N: usize>(stream: Stream) -> [u32; N] {
    let mut numbers = (1..=PLAN.students).filter(|number| generated(*number).stream == stream);
    std::array::from_fn(|_| numbers.next().unwrap())
}

/// Seeds [`PLAN`] to the end.
pub(crate) async fn seeded(database: &dyn Database) -> Arc<dyn Source> {
    let source = database.source();
    for batch in missing(&*source).await {
        load(&*source, batch).await;
    }
    source.finish().await.unwrap();
    source
}

/// The batches that are not loaded yet, of a data set that is not complete.
pub(crate) async fn missing(source: &dyn Source) -> Vec<RangeInclusive<u32>> {
    match source.begin(PLAN).await.unwrap() {
        Seeded::Missing(batches) => batches,
        Seeded::Complete => panic!("complete already"),
    }
}

/// Loads one batch of [`PLAN`].
pub(crate) async fn load(source: &dyn Source, batch: RangeInclusive<u32>) {
    source.load(batch.clone(), generated_students(batch)).await.unwrap();
}

/// What the log holds now, as a release would keep it.
pub(crate) async fn now(source: &dyn Source) -> Snapshot {
    source.changes_since(&Snapshot::NOTHING).await.unwrap().snapshot
}

/// Who changed since, in order; 0 is everybody.
pub(crate) async fn changed_since(source: &dyn Source, since: &Snapshot) -> Vec<u32> {
    rows_since(source, since).await.into_iter().map(|(number, _)| number).collect()
}

/// The rows of the log since, in the order of the ids; 0 is everybody.
pub(crate) async fn rows_since(source: &dyn Source, since: &Snapshot) -> Vec<(u32, Change)> {
    let number = |changed| match changed {
        Changed::Everything => 0,
        Changed::Student(id) => id.get(),
    };
    let rows = source.changes_since(since).await.unwrap().rows;
    let mut rows: Vec<_> = rows.into_iter().map(|(changed, change)| (number(changed), change)).collect();
    rows.sort_by_key(|(number, _)| *number);
    rows
}
