//! PostgreSQL: TRUNCATE, which empties a table for older snapshots too, and waits for whoever has it locked.

use std::time::Duration;

use results_day::{source::SourceError, student::Stream};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    Database, PLAN, changed_since, generated, generated_students, id, now,
    postgres::{Corrector, PostgresDatabase},
    reading::everybody,
    seeded,
};

const TRUNCATE: &str = "TRUNCATE natural_science_results";

/// Runs a statement that will have to wait.
fn start(mut corrector: Corrector, sql: &'static str) -> JoinHandle<Corrector> {
    tokio::spawn(async move {
        corrector.run(sql).await;
        corrector
    })
}

fn of_social_science() -> Vec<u32> {
    (1..=PLAN.students).filter(|number| generated(*number).stream == Stream::SocialScience).collect()
}

#[tokio::test]
async fn a_truncation_of_any_table_is_a_change_of_everybody() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    for (truncate, expected) in [
        ("BEGIN; TRUNCATE natural_science_results; ROLLBACK", vec![]),
        (
            "BEGIN; SAVEPOINT s; TRUNCATE natural_science_results; ROLLBACK TO SAVEPOINT s; \
             UPDATE students SET name = 'X' WHERE id = 5; COMMIT",
            vec![5],
        ),
        ("TRUNCATE natural_science_results", vec![0]),
        ("TRUNCATE social_science_results", vec![0]),
        ("TRUNCATE students CASCADE", vec![0]),
        // What is empty already is emptied all the same.
        ("TRUNCATE students, natural_science_results, social_science_results", vec![0]),
        (
            "BEGIN; TRUNCATE students CASCADE; \
             INSERT INTO students VALUES (5, 'New', 'F', 'S', 'R', 'natural_science'); COMMIT",
            vec![0, 5],
        ),
    ] {
        let before = source.snapshot().await.unwrap().origin().snapshot.clone();
        database.edit(truncate).await;
        assert_eq!(changed_since(&*source, &before).await, expected, "{truncate}");
        let standing = source.student(id(1_000)).await.unwrap().standing;
        assert_eq!(standing.seen_by(&before), !expected.contains(&0), "{truncate}");
    }
}

#[tokio::test]
async fn a_truncation_waits_for_a_publication_which_reads_everybody() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let reader = source.snapshot().await.unwrap();
    let published = reader.origin().snapshot.clone();
    let corrector = database.corrector().await;
    let pid = corrector.pid;
    let truncating = start(corrector, TRUNCATE);
    database.corrector().await.until_waiting(pid).await;

    let (sender, mut receiver) = mpsc::channel(1);
    let reading = tokio::spawn(reader.read(vec![1..=999, 1_000..=1_999, 2_000..=2_999], sender));
    let mut read = Vec::new();
    while let Some(batch) = receiver.recv().await {
        read.extend(batch);
    }
    reading.await.unwrap().unwrap();
    assert!(read == generated_students(1..=PLAN.students), "{} students", read.len());

    truncating.await.unwrap();
    assert_eq!(changed_since(&*source, &published).await, [0]);
    assert_eq!(everybody(&*source).await, generated_students(of_social_science()));
}

#[tokio::test]
async fn a_publication_waits_for_a_truncation_and_sees_what_became_of_it() {
    for (end, left) in [("ROLLBACK", (1..=PLAN.students).collect()), ("COMMIT", of_social_science())] {
        let database = PostgresDatabase::new();
        let source = seeded(&database).await;
        let mut corrector = database.corrector().await;
        corrector.run(&format!("BEGIN; {TRUNCATE}")).await;
        let polled = now(&*source).await;
        let reading = tokio::spawn(async move { (everybody(&*source).await, source) });
        let waiting =
            "SELECT FROM pg_locks WHERE NOT granted AND relation = 'natural_science_results'::regclass";
        corrector.until(&format!("EXISTS ({waiting})")).await;
        // Polls wait for nobody, and what is not committed is nothing yet.
        let poller = database.source();
        assert_eq!(changed_since(&*poller, &polled).await, [0; 0]);
        corrector.run(end).await;
        let (read, source) = reading.await.unwrap();
        assert!(read == generated_students(left), "{end}: {} students", read.len());
        let expected: &[u32] = if end == "COMMIT" { &[0] } else { &[] };
        assert_eq!(changed_since(&*poller, &polled).await, expected);
        let published = source.snapshot().await.unwrap().origin().snapshot.clone();
        assert_eq!(changed_since(&*source, &published).await, [0; 0]);
    }
}

#[tokio::test]
async fn a_truncation_that_gets_between_the_locks_of_two_streams_holds_nobody_up() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let mut holder = database.corrector().await;
    let before = now(&*source).await;
    // The publication's first stream locks the tables of students and waits for this one. Then a TRUNCATE waits for
    // the first stream, so that the second would wait for the TRUNCATE.
    holder.run("BEGIN; LOCK TABLE data_set").await;
    let reading = tokio::spawn(async move { (everybody(&*source).await, source) });
    let held = |table: &str, granted: &str| {
        format!(
            "EXISTS (SELECT FROM pg_locks WHERE relation = '{table}'::regclass \
                     AND mode = 'AccessShareLock' AND {granted} granted)"
        )
    };
    holder.until(&held("data_set", "NOT")).await;
    let corrector = database.corrector().await;
    let pid = corrector.pid;
    let truncating = start(corrector, "TRUNCATE students CASCADE");
    let mut observer = database.corrector().await;
    observer.until_waiting(pid).await;
    holder.run("COMMIT").await;
    observer.until(&format!("{} AND {}", held("students", "NOT"), held("students", ""))).await;

    // Were they to wait for each other, it would be for ever.
    let both = tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(truncating, reading) });
    let (truncated, read) = both.await.unwrap();
    truncated.unwrap();
    let (read, source) = read.unwrap();
    assert!(read.is_empty(), "{} students", read.len());
    assert_eq!(changed_since(&*source, &before).await, [0]);
}

#[tokio::test]
async fn a_look_up_that_waits_for_a_truncation_too_long_is_unavailable_and_polls_go_on() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let mut corrector = database.corrector().await;
    corrector.run("BEGIN; TRUNCATE students CASCADE").await;
    database.edit("INSERT INTO release_tokens VALUES ('somebody is at work')").await;
    let looking = (1..=20).map(|number| {
        let source = source.clone();
        tokio::spawn(async move { source.student(id(number)).await.map(drop).unwrap_err() })
    });
    let looking: Vec<_> = looking.collect();
    let waiting = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'students'::regclass";
    database.corrector().await.until(&format!("EXISTS ({waiting})")).await;
    for _ in 0..10 {
        assert_eq!(changed_since(&*source, &now(&*source).await).await, [0; 0]);
    }
    for looked in looking {
        let error = looked.await.unwrap();
        assert!(matches!(error, SourceError::Unavailable(_)), "{error}");
    }
    corrector.run("ROLLBACK").await;
    assert_eq!(source.student(id(5)).await.unwrap().student, Some(generated(5)));
}
