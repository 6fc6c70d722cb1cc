//! Proves that watchers of PostgreSQL and an S3 store outlive the death of either, and take over from one another
//! whatever a leader dies of.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod board;
    pub(crate) mod servers;
}
mod system;

use std::{process::Stdio, thread, time::Duration};

use support::{
    board::Board,
    servers::{Minio, Postgres},
};
use system::eventually;

const SOON: [&str; 4] = ["--quiet", "300ms", "--max-wait", "2s"];
const CORRECTION: &str = "UPDATE students SET name = name || '+' WHERE id = 7";

/// A server that restarts is noticed within the longest pause between two tries.
const NOTICED: Duration = Duration::from_secs(20);

#[test]
fn corrections_are_published_when_it_is_quiet_and_however_busy_it_is() {
    let board = Board::new("watched").seeded(5_000);
    let mut watcher = board.watch(&SOON);
    watcher.publishes(1);
    board.edit(CORRECTION);
    watcher.publishes(2);
    while watcher.said().len() < 4 {
        board.edit(CORRECTION);
        thread::sleep(Duration::from_millis(50));
    }
    eventually("everything is published", || board.publish().contains("is up to date").then_some(()));
    assert_eq!(watcher.stop().code(), Some(0));
    let said = watcher.said();
    assert!(said[3].starts_with("release 4: 5000 students in 6 shards; 1 shards uploaded"), "{said:?}");
    board.verify_all();
}

#[test]
fn a_leader_that_is_killed_or_frozen_or_whose_session_is_ended_is_followed_by_another() {
    let board = Board::new("followed").seeded(2_000);
    let mut leader = board.watch(&SOON);
    leader.publishes(1);
    let mut next = board.watch(&SOON).standing_by();
    leader.kill();
    board.edit(CORRECTION);
    next.logs_within(Duration::from_secs(5), "leading: following");
    next.publishes(2);

    // A frozen machine says nothing, and its connections stay.
    leader = next;
    next = board.watch(&SOON).standing_by();
    leader.signal("STOP");
    board.edit(CORRECTION);
    next.logs_within(Duration::from_secs(20), "leading: following");
    next.publishes(3);
    leader.signal("CONT");
    leader.logs("the lead is lost");
    leader.logs("standing by");

    // Whichever of them leads then.
    board.edit(
        "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database AS d ON d.oid = database \
         WHERE locktype = 'advisory' AND datname = current_database()",
    );
    next.logs("the lead is lost");
    board.edit(CORRECTION);
    eventually("the fourth release is there", || board.releases().contains(&4).then_some(()));
    assert!(leader.works() && next.works());
    board.verify_all();
}

#[test]
fn watchers_and_persons_at_once_make_one_sequence_of_whole_releases() {
    let board = Board::new("rivals").seeded(5_000);
    let watch = || board.watch(&["--quiet", "20ms", "--max-wait", "100ms"]);
    let mut watchers = vec![watch().leading(), watch().standing_by()];
    for round in 0..12 {
        board.edit("UPDATE students SET name = name || '+' WHERE id % 500 = 0");
        let mut person = board.program("publish", &[]);
        let mut person = person.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        if round == 6 {
            watchers.remove(0).kill();
        }
        assert!(person.wait().unwrap().success());
    }
    let attempts: std::collections::BTreeSet<_> = board
        .releases()
        .into_iter()
        .map(|number| board.manifest(number)["attempt"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(attempts.len(), board.releases().len(), "each release is of one run");
    eventually("everything is published", || board.publish().contains("is up to date").then_some(()));
    for watcher in &mut watchers {
        assert_eq!(watcher.stop().code(), Some(0));
    }
    board.verify_all();
}

#[test]
fn a_database_that_is_killed_and_restarted_is_waited_for() {
    let mut cluster = Postgres::start();
    let mut board = Board::new("restarted-database");
    board.database = cluster.database();
    let board = board.seeded(20_000);
    let mut watcher = board.watch(&SOON);
    watcher.publishes(1);
    for time in 1..3 {
        cluster.kill();
        watcher.logs_times(NOTICED, "asking the database failed", time);
        cluster.resume();
        board.edit(CORRECTION);
        watcher.publishes(time as u64 + 1);
        watcher.logs_times(NOTICED, "asking the database works again", time);
    }
    assert_eq!(watcher.logged("failed"), 2, "{}", watcher.log());
    // Also in the middle of a publication.
    let before = board.keys().len();
    board.edit("UPDATE students SET name = name || '+' WHERE id % 500 = 0");
    eventually("a publication is under way", || (board.keys().len() > before).then_some(()));
    cluster.kill();
    assert!(watcher.works());
    cluster.resume();
    watcher.publishes(4);
    board.verify_all();
}

#[test]
fn a_store_that_is_not_there_yet_or_is_killed_is_waited_for() {
    let mut minio = Minio::start();
    let board = Board::at(minio.port(), "restarted-store").seeded(2_000);
    minio.kill();
    let mut watcher = board.watch(&SOON);
    watcher.logs_within(NOTICED, "asking the store failed");
    minio.resume();
    watcher.publishes(1);
    watcher.logs_within(NOTICED, "asking the store works again");
    minio.kill();
    board.edit(CORRECTION);
    watcher.logs_times(NOTICED, "asking the store failed", 2);
    minio.resume();
    watcher.publishes(2);
    watcher.logs_times(NOTICED, "asking the store works again", 2);
    assert!(watcher.works());
    board.verify_all();
}
