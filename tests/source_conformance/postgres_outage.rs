//! PostgreSQL: a server that is not there, comes back, or cannot be got at, and errors that say so.

use std::time::{Duration, Instant};

use results_day::{
    changes::Snapshot,
    source::{self, LookedUp, Origin, Source, SourceError},
};
use sqlx::{Connection, PgConnection};
use tokio::sync::mpsc;

use crate::{
    Database, PLAN, changed_since, generated, id, now, postgres::PostgresDatabase, seeded, seeding::unusable,
    servers::Postgres,
};

/// What [`SourceError::Unavailable`] says; any other answer ends the test.
fn unavailable<T>(answer: Result<T, SourceError>) -> String {
    match answer.map(drop) {
        Err(SourceError::Unavailable(problem)) => problem,
        other => panic!("not unavailable: {other:?}"),
    }
}

/// Every way of asking a source, all at once, and what became of it.
async fn all_ways(source: &dyn Source) -> [Result<(), SourceError>; 5] {
    let polled = async { source.changes_since(&Snapshot::NOTHING).await.map(drop) };
    let looked_up = async { source.student(id(5)).await.map(drop) };
    let published = async { source.snapshot().await.map(drop) };
    let seeded = async { source.begin(PLAN).await.map(drop) };
    let led = async { source.lead().await.map(drop) };
    tokio::join!(polled, looked_up, published, seeded, led).into()
}

/// Waits until the source answers again.
async fn healed(source: &dyn Source) {
    let started = Instant::now();
    while let Err(error) = source.changes_since(&Snapshot::NOTHING).await {
        assert!(started.elapsed() < Duration::from_secs(20), "{error}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_must_put_right_is_unusable_and_told_without_the_password() {
    let cluster = Postgres::start();
    let database = PostgresDatabase::of(&cluster);
    let _seeded = seeded(&database).await;
    database.edit("CREATE ROLE secretive LOGIN PASSWORD 'Geheimnis1'").await;
    let rules = cluster.data().join("pg_hba.conf");
    let trusting = std::fs::read_to_string(&rules).unwrap();
    std::fs::write(&rules, format!("host all secretive all scram-sha-256\n{trusting}")).unwrap();
    database.edit("GRANT ALL ON ALL TABLES IN SCHEMA public TO secretive; SELECT pg_reload_conf()").await;

    let place = format!("127.0.0.1:{}/{}", cluster.port(), database.name());
    let right = source::connect(&format!("postgres://secretive:Geheimnis1@{place}")).unwrap();
    healed(&*right).await;
    let table = [
        (format!("postgres://secretive:Geheimnis2@{place}"), "password authentication failed"),
        (format!("postgres://secretive@{place}"), "password authentication failed"),
        (format!("postgres://nobody:Geheimnis2@{place}"), "role \"nobody\" does not exist"),
        (cluster.url("nowhere"), "database \"nowhere\" does not exist"),
    ];
    for (url, expected) in table {
        let source = source::connect(&url).unwrap();
        assert!(!source.place().contains("Geheimnis"), "{}", source.place());
        for answer in all_ways(&*source).await {
            let problem = unusable(answer);
            assert!(problem.contains(expected), "{problem:?} instead of {expected:?}");
            assert!(!problem.contains("Geheimnis"), "{problem}");
        }
    }
    // Nobody has seeded this one; and what is no URL is none.
    let empty = PostgresDatabase::of(&cluster).source();
    assert_eq!(unusable(empty.student(id(5)).await), "the database holds no results; run db-seeder first");
    assert_eq!(unusable(empty.changes_since(&Snapshot::NOTHING).await), unusable(empty.snapshot().await));
    for url in
        ["postgres://me:Geheimnis@host:port/name", "postgres://me:Geheimnis@[host/name", "my:Geheimnis"]
    {
        let problem = unusable(source::connect(url));
        assert!(problem.contains("postgres://USER:PASSWORD@HOST:PORT/NAME"), "{problem}");
        assert!(!problem.contains("Geheimnis"), "{problem}");
    }
}

/// A server that gave no connection is left alone for a moment, by the polls and by the look-ups.
async fn until_heard(source: &dyn Source, origin: &Origin) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while source.holds(origin).await.is_err() || source.student(id(7)).await.is_err() {
        assert!(Instant::now() < deadline, "the server is back and not heard");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_is_unavailable_and_heard_again_when_it_is_back() {
    let mut cluster = Postgres::start();
    let database = PostgresDatabase::of(&cluster);
    let source = seeded(&database).await;
    let mut reader = source.snapshot().await.unwrap();
    let origin = reader.origin().clone();
    database.edit("UPDATE students SET name = 'Committed' WHERE id = 5").await;
    database
        .edit("BEGIN; UPDATE students SET name = 'Prepared' WHERE id = 6; PREPARE TRANSACTION 'over'")
        .await;
    let mut in_flight = database.corrector().await;
    in_flight.run("BEGIN; UPDATE students SET name = 'In flight' WHERE id = 7").await;
    let heard = source.changes_since(&origin.snapshot).await.unwrap();
    // A publication is half-way through.
    let (sender, mut batches) = mpsc::channel(1);
    let everybody = (0..2_000).map(|_| 1..=PLAN.students).collect();
    let reading = tokio::spawn(source.snapshot().await.unwrap().read(everybody, sender));
    assert_eq!(batches.recv().await.unwrap().len(), 2_345);

    for _ in 0..2 {
        cluster.kill();
        for answer in all_ways(&*source).await {
            let problem = unavailable(answer);
            let place = format!("127.0.0.1:{}", cluster.port());
            assert!(problem.contains(&place), "{problem:?} does not say what is not there: {place}");
        }
        unavailable(source.holds(&origin).await);
        cluster.resume();
        until_heard(&*source, &origin).await;
        assert!(source.holds(&origin).await.unwrap());
        assert_eq!(changed_since(&*source, &origin.snapshot).await, [5]);
        assert_eq!(source.student(id(7)).await.unwrap().student, Some(generated(7)));
    }
    unavailable(reader.census().await);
    while batches.recv().await.is_some_and(|batch| batch.len() == 2_345) {}
    unavailable(reading.await.unwrap());
    let found = source.changes_since(&heard.snapshot).await.unwrap();
    assert_ne!(found.incarnation, heard.incarnation);
    // A prepared transaction survives, and is in flight still.
    let published = source.snapshot().await.unwrap().origin().snapshot.clone();
    database.edit("COMMIT PREPARED 'over'").await;
    for snapshot in [&published, &heard.snapshot, &found.snapshot] {
        assert_eq!(changed_since(&*source, snapshot).await, [6]);
    }
}

/// When one of its processes is killed the server starts anew by itself, and says nowhere that it did.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashed_and_lost_what_was_heard_is_another_incarnation() {
    let cluster = Postgres::start();
    let database = PostgresDatabase::of(&cluster);
    let source = seeded(&database).await;
    database.edit("ALTER SYSTEM SET wal_writer_delay = '10s'").await;
    database.edit("SELECT pg_reload_conf()").await;
    let mut lost = false;
    // The crash may come a moment too late for the loss.
    for _ in 0..5 {
        // What changes for the first time after a checkpoint is written out in whole pages, and those at once.
        database.edit("UPDATE students SET name = 'Kept' WHERE id = 5").await;
        let before = now(&*source).await;
        let mut corrector = database.corrector().await;
        // Committed before it is on disk: everybody sees it, and a crash loses it.
        corrector.run("SET synchronous_commit = off; UPDATE students SET name = 'Lost' WHERE id = 5").await;
        let heard = source.changes_since(&before).await.unwrap();
        assert_eq!(heard.rows.len(), 1);
        let killed = std::process::Command::new("kill").args(["-KILL", &corrector.pid.to_string()]).status();
        assert!(killed.unwrap().success());
        until_without(&database, corrector.pid).await;

        let found = source.changes_since(&heard.snapshot).await.unwrap();
        assert_eq!(found.rows, []);
        assert_ne!(found.incarnation, heard.incarnation);
        let LookedUp { student, standing, .. } = source.student(id(5)).await.unwrap();
        lost = student.unwrap().name == "Kept";
        assert_eq!(lost, standing.own != Some(heard.rows[0].1));
        if lost {
            break;
        }
    }
    assert!(lost, "the server loses nothing");
}

/// Waits until the server has started anew, without the process that was killed.
async fn until_without(database: &PostgresDatabase, pid: i32) {
    let started = Instant::now();
    let gone = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)";
    loop {
        if let Ok(mut connection) = PgConnection::connect(&database.url).await
            && let Ok(true) = sqlx::query_scalar(gone).bind(pid).fetch_one(&mut connection).await
        {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "the server does not start anew");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
