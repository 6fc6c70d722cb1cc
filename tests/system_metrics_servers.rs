//! Proves that `serve` tells of a PostgreSQL and a Redis that die, and of their return; of a change log that is off, and
//! of a store that has lost what is served.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod servers;
}
mod system;

use std::{fs, process::Command, time::Duration};

use support::servers::{Postgres, Redis};
use system::{Metrics, Nation, Ran, Server, program, within};

#[track_caller]
fn becomes(server: &Server, seconds: u64, series: &str, value: f64) -> Metrics {
    within(Duration::from_secs(seconds), &format!("{series} becomes {value}"), || {
        let metrics = server.metrics();
        (metrics.value(series) == value).then_some(metrics)
    })
}

fn answered_from(server: &Server, origin: &str) -> f64 {
    let series = format!("serve_request_duration_seconds_count{{origin=\"{origin}\"}}");
    server.metrics().value(&series)
}

#[test]
fn a_postgresql_and_a_redis_that_die_are_told_of_and_so_is_their_return() {
    let (mut postgres, mut redis, nation) = (Postgres::start(), Redis::start(), Nation::empty());
    let url = postgres.database();
    Ran::of(program("db-seeder", &nation.path("")).args(["--database", &url, "--students", "3000"]))
        .succeeded();
    Ran::of(program("publish", &nation.path("")).args(["--database", &url, "--bucket", "./bucket"]))
        .succeeded();
    let server = nation.serve_with(&["--database", &url, "--cache", &redis.url()]).serving(1);
    let metrics = server.metrics();
    assert_eq!(metrics.value("serve_database_connections_max"), 9.0);
    assert!(metrics.value("serve_database_connections{state=\"idle\"}") <= 9.0);

    let corrected = "UPDATE students SET name = name || '+' WHERE id IN (7, 8)";
    let edited = Command::new("psql").args(["-qXd", &url, "-c", corrected]).status().unwrap();
    assert!(edited.success());
    becomes(&server, 5, "serve_changed_since_release_students", 2.0);
    for (origin, answers) in [("database", 1.0), ("cache", 1.0)] {
        assert_eq!(server.student(7).status, 200);
        assert_eq!(answered_from(&server, origin), answers, "{origin}");
    }

    redis.kill();
    assert_eq!(server.student(7).status, 200);
    assert_eq!(answered_from(&server, "database"), 2.0);
    let metrics = server.metrics();
    assert_eq!(metrics.value("serve_live_cache_up"), 0.0);
    assert_eq!(metrics.value("serve_live_cache_total{result=\"error\"}"), 1.0);
    redis.resume();
    within(Duration::from_secs(10), "the cache answers again", || {
        server.student(7);
        (server.metrics().value("serve_live_cache_up") == 1.0).then_some(())
    });

    postgres.kill();
    becomes(&server, 10, "serve_database_up", 0.0);
    assert_eq!(server.student(8).problem(), "live-unavailable");
    assert_eq!(server.metrics().value("serve_live_lookups_total{result=\"failed\"}"), 1.0);
    postgres.resume();
    let metrics = becomes(&server, 10, "serve_database_up", 1.0);
    assert_eq!(metrics.value("serve_changed_since_release_students"), 2.0);
}

#[test]
fn a_trigger_that_is_off_is_told_of_and_neither_the_database_nor_the_disk_is_blamed() {
    let (postgres, nation) = (Postgres::start(), Nation::empty());
    let url = postgres.database();
    let edit = |sql: &str| {
        let edited = Command::new("psql").args(["-qXd", &url, "-c", sql]).status().unwrap();
        assert!(edited.success(), "{sql}");
    };
    Ran::of(program("db-seeder", &nation.path("")).args(["--database", &url, "--students", "100"]))
        .succeeded();
    Ran::of(program("publish", &nation.path("")).args(["--database", &url, "--bucket", "./bucket"]))
        .succeeded();
    let server = nation.serve_with(&["--database", &url]).serving(1);
    becomes(&server, 5, "serve_cache_written", 1.0);
    assert_eq!(server.metrics().value("serve_changes_unlogged"), 0.0);

    edit("ALTER TABLE students DISABLE TRIGGER students_update_logged");
    let metrics = becomes(&server, 5, "serve_changes_unlogged", 1.0);
    assert_eq!(metrics.value("serve_database_up"), 1.0);
    let metrics = becomes(&server, 5, "serve_everything_changed", 1.0);
    assert_eq!(metrics.value("serve_cache_written"), 1.0);

    // The trigger is back, and what happened meanwhile is in no log.
    edit("ALTER TABLE students ENABLE ALWAYS TRIGGER students_update_logged");
    let metrics = becomes(&server, 5, "serve_changes_unlogged", 0.0);
    assert_eq!(metrics.value("serve_everything_changed"), 1.0);
    assert_eq!(metrics.value("serve_cache_written"), 1.0);
}

#[test]
fn a_release_that_the_store_has_lost_is_told_until_it_is_back() {
    let nation = Nation::published();
    let server = nation.serve().serving(1);
    becomes(&server, 5, "serve_cache_written", 1.0);
    let (bucket, away) = (nation.path("bucket"), nation.path("away"));
    fs::rename(&bucket, &away).unwrap();
    fs::create_dir(&bucket).unwrap();
    let metrics = becomes(&server, 15, "serve_release_lost", 1.0);
    assert_eq!(metrics.value("serve_store_up"), 1.0);
    assert_eq!(server.student(7).status, 200);

    fs::remove_dir_all(&bucket).unwrap();
    fs::rename(&away, &bucket).unwrap();
    becomes(&server, 15, "serve_release_lost", 0.0);
}
