//! PostgreSQL: one snapshot that several programs read, as machines do that publish together.

use std::time::{Duration, Instant};

use results_day::{source::SnapshotReader, student::Student};
use tokio::sync::mpsc;

use crate::{Database, generated, id, postgres::PostgresDatabase, seeded};

async fn read(reader: Box<dyn SnapshotReader>, ids: std::ops::RangeInclusive<u32>) -> Vec<Student> {
    let (sender, mut receiver) = mpsc::channel(1);
    let reading = tokio::spawn(reader.read(vec![ids], sender));
    let students = receiver.recv().await.unwrap();
    reading.await.unwrap().unwrap();
    students
}

#[tokio::test]
async fn who_imports_a_snapshot_reads_what_its_holder_does_and_goes_on_when_that_is_gone() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    // One in flight, with a transaction within.
    let mut corrector = database.corrector().await;
    corrector.begin().await;
    corrector.run("SAVEPOINT s; UPDATE students SET name = 'X' WHERE id = 5").await;
    let mut held = source.shared().unwrap().export().await.unwrap();
    held.hold().await.unwrap();
    corrector.run("COMMIT").await;
    database.edit("DELETE FROM students WHERE id = 6").await;

    let other = database.source();
    let shared = other.shared().unwrap();
    assert!(shared.is_held(held.name()).await.unwrap());
    let mut early = shared.import(held.name(), held.origin()).await.unwrap().unwrap();
    let late = shared.import(held.name(), held.origin()).await.unwrap().unwrap();
    assert_eq!(early.origin(), held.origin());
    assert_eq!(early.census().await.unwrap(), held.census().await.unwrap());
    let before = held.origin().snapshot.clone();
    assert_eq!(early.changes(&before).await.unwrap().len(), 0);
    assert_eq!(early.students(&[id(5), id(6)]).await.unwrap(), [generated(5), generated(6)]);

    let (name, origin) = (held.name().to_owned(), held.origin().clone());
    drop(held);
    let deadline = Instant::now() + Duration::from_secs(20);
    while shared.is_held(&name).await.unwrap() {
        assert!(Instant::now() < deadline, "it is held by nobody");
    }
    assert!(shared.import(&name, &origin).await.unwrap().is_none());
    for reader in [early, late] {
        assert_eq!(read(reader, 5..=6).await, [generated(5), generated(6)]);
    }
}

#[tokio::test]
async fn a_snapshot_of_another_database_is_none() {
    let (one, other) = (PostgresDatabase::new(), PostgresDatabase::new());
    let source = seeded(&one).await;
    let held = source.shared().unwrap().export().await.unwrap();
    seeded(&other).await;
    let others = other.source();
    let shared = others.shared().unwrap();
    assert!(shared.import(held.name(), held.origin()).await.unwrap().is_none());
    assert!(!shared.is_held(held.name()).await.unwrap());

    // The same name, and it is said to be of something else.
    let mut origin = held.origin().clone();
    origin.data_set = "another".to_owned();
    assert!(source.shared().unwrap().import(held.name(), &origin).await.unwrap().is_none());
    let strange = source.shared().unwrap().is_held("'; DROP TABLE students; --").await;
    assert_eq!(strange.unwrap_err().to_string(), "that is not the name of an exported snapshot");
}

#[tokio::test]
async fn a_holder_whose_session_is_ended_hears_of_it() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let mut held = source.shared().unwrap().export().await.unwrap();
    held.hold().await.unwrap();
    let mut corrector = database.corrector().await;
    let holder = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
                  AND state = 'idle in transaction'";
    assert_eq!(corrector.ask(&format!("SELECT pg_terminate_backend(({holder}))")).await, "true");
    held.hold().await.unwrap_err();
}

#[tokio::test]
async fn a_truncate_waits_for_the_holder_and_for_whoever_has_imported() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let shared = source.shared().unwrap();
    let held = shared.export().await.unwrap();
    let reader = shared.import(held.name(), held.origin()).await.unwrap().unwrap();
    let mut corrector = database.corrector().await;
    let truncate = "SET lock_timeout = '50ms'; TRUNCATE students CASCADE";
    assert_eq!(corrector.try_to(truncate).await, Err("55P03".to_owned()));
    drop(held);
    assert_eq!(corrector.try_to(truncate).await, Err("55P03".to_owned()));
    assert_eq!(read(reader, 5..=6).await, [generated(5), generated(6)]);
    corrector.run("SET lock_timeout = 0; TRUNCATE students CASCADE").await;
}
