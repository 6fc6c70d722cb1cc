//! Proves that who publishes in parts outlives what the database, the store and other people do meanwhile, and says what
//! it is that cannot be outlived.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod board;
    pub(crate) mod parted;
    pub(crate) mod servers;
}
mod system;

use std::{thread, time::Duration};

use support::{
    board::Board,
    parted::{fails, succeeds},
};
use system::{eventually, sealed};

/// A board with one release, of which everything has changed.
fn published(bucket: &str) -> Board {
    let board = Board::new(bucket).seeded(3_000);
    board.publish();
    board.edit("UPDATE students SET name = name || '+'");
    board
}

#[test]
fn parts_outlive_a_database_that_is_away_and_take_part_in_the_next_attempt() {
    let (board, elsewhere) = (published("database-away"), Board::new("none"));
    let name = board.value("SELECT current_database()::text");
    let run = board.a_run();
    let committer = run.committer(2);
    let reported = run.part("0/2");
    let attempt = run.next_attempt(&[]);
    run.reported(&attempt, 0);
    elsewhere.edit(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
    elsewhere
        .edit(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"));
    fails(committer, &["is not currently accepting connections"]);
    reported.logs("this is tried again until it works");
    // Who has not met the database yet does not wait for it.
    fails(run.part("1/2"), &["is not currently accepting connections"]);
    elsewhere.edit(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    let (committer, other) = (run.committer(2), run.part("1/2"));
    for part in [reported, other] {
        assert!(succeeds(part).contains("release 2 is committed"));
    }
    assert!(succeeds(committer).starts_with("release 2: "));
    board.is_what_the_database_holds();
}

#[test]
fn a_part_whose_database_is_nowhere_says_so_at_once() {
    let mut board = Board::new("database-nowhere");
    board.database.push_str("_of_nobody");
    fails(board.a_run().part("0/2"), &["does not exist"]);
}

#[test]
fn a_plan_that_is_garbled_for_a_while_is_read_again() {
    let board = published("garbled");
    let run = board.a_run();
    let committer = run.committer(1);
    let attempt = run.next_attempt(&[]);
    let key = run.key(&format!("{attempt}/plan.json"));
    let mut plan = board.json(&key);
    plan.as_object_mut().unwrap().remove("sha256");
    board.put(&key, b"{".to_vec());
    let part = run.part("0/1");
    part.logs(&format!("{key} holds other bytes than it should"));
    board.put(&key, sealed(&plan.to_string()).into());
    assert!(succeeds(part).contains("release 2 is committed"));
    assert!(succeeds(committer).starts_with("release 2: "));
    assert_eq!(board.manifest(2)["attempt"], attempt);
}

#[test]
fn a_committer_gives_way_to_who_waits_for_a_table_and_starts_over() {
    let board = published("truncate");
    let run = board.a_run();
    let committer = run.committer(1);
    let attempt = run.next_attempt(&[]);
    let is_waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock' \
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))::text";
    let part = thread::scope(|scope| {
        // What a TRUNCATE does that has no lock_timeout.
        scope.spawn(|| board.edit("BEGIN; LOCK TABLE students IN ACCESS EXCLUSIVE MODE; COMMIT"));
        eventually("somebody waits for a table", || (board.value(is_waiting) == "true").then_some(()));
        let part = run.part("0/1");
        committer.logs_within(Duration::from_secs(30), "most likely for a TRUNCATE");
        part
    });
    let next = run.next_attempt(&[attempt]);
    assert_eq!(part.logged("no transaction in progress"), 0, "{}", part.log());
    assert!(succeeds(part).contains("release 2 is committed"));
    assert!(succeeds(committer).starts_with("release 2: "));
    assert_eq!(board.manifest(2)["attempt"], next);
    board.is_what_the_database_holds();
}
