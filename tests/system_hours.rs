//! Proves that a publication which takes long, starts over or is started again moves no hour that somebody has set since
//! it began: the results would open earlier than whoever set it knows.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod board;
    pub(crate) mod parted;
    pub(crate) mod servers;
}
mod system;

use support::{
    board::Board,
    parted::{fails, succeeds},
};
use system::{Watcher, eventually};

const FIRST: &str = "2126-11-30T06:00:00Z";
const EARLY: &str = "2126-11-30T08:00:00Z";
const LATE: &str = "2126-11-30T10:00:00Z";

/// What is said to whoever would move the late hour, which release 2 has.
const REFUSED: [&str; 2] = [
    "when it was 2126-11-30T06:00:00Z, release 2 was given the hour 2126-11-30T10:00:00Z, which is not moved to \
     2126-11-30T08:00:00Z unseen",
    "to publish under 2126-11-30T10:00:00Z leave --not-before out",
];

/// A board with one release under the first hour, and corrections that touch every shard.
fn staged(bucket: &str) -> Board {
    let board = Board::new(bucket).seeded(15_000);
    board.run("publish", &["--not-before", FIRST]).succeeded();
    board.edit("UPDATE students SET name = name || '+' WHERE id % 2 = 0");
    board
}

fn hours(board: &Board) -> Vec<String> {
    let hour = |number: u64| board.manifest(number)["not_before"].as_str().unwrap().to_owned();
    board.releases().into_iter().map(hour).collect()
}

#[test]
fn a_publication_that_loses_the_race_moves_no_hour_that_the_winner_has_set() {
    let board = staged("hours-plain");
    let blobs = |board: &Board| board.keys().iter().filter(|key| key.starts_with("shards/")).count();
    let before = blobs(&board);
    let mut first = Watcher::start(&mut board.program("publish", &["--not-before", EARLY]));
    eventually("it is under way", || (blobs(&board) > before).then_some(()));
    first.signal("STOP");
    board.run("publish", &["--not-before", LATE]).succeeded();
    first.signal("CONT");
    fails(first, &REFUSED);
    assert_eq!(hours(&board), [FIRST, LATE]);
    // Whoever says it now knows of the other.
    board.run("publish", &["--not-before", EARLY]).succeeded();
    assert_eq!(hours(&board), [FIRST, LATE, EARLY]);
}

#[test]
fn a_committer_moves_no_hour_that_was_set_since_its_run_began_however_often_it_is_started_again() {
    let board = staged("hours-parts");
    let run = board.a_run();
    let first = run.committer_with(2, &["--not-before", EARLY]);
    run.next_attempt(&[]);
    board.run("publish", &["--not-before", LATE]).succeeded();
    fails(first, &REFUSED);
    fails(run.committer_with(2, &["--not-before", EARLY]), &REFUSED);
    assert_eq!(hours(&board), [FIRST, LATE]);
    board.edit("UPDATE students SET name = name || '*' WHERE id = 7");
    let parts = run.parts(2);
    assert!(succeeds(run.committer(2)).starts_with("release 3: "));
    drop(parts);
    assert_eq!(hours(&board), [FIRST, LATE, LATE]);
}

#[test]
fn a_committer_that_died_before_it_had_done_anything_knows_the_hour_of_then() {
    let board = staged("hours-early");
    let run = board.a_run();
    let mut first = run.committer_with(2, &["--not-before", EARLY]);
    let start = run.key("start.json");
    eventually("the run has begun", || board.keys().contains(&start).then_some(()));
    first.kill();
    board.run("publish", &["--not-before", LATE]).succeeded();
    fails(run.committer_with(2, &["--not-before", EARLY]), &REFUSED);
    // The same hour is no other one.
    board.edit("UPDATE students SET name = name || '*' WHERE id = 7");
    let parts = run.parts(2);
    assert!(succeeds(run.committer_with(2, &["--not-before", LATE])).starts_with("release 3: "));
    drop(parts);
    // And who begins another run knows of it.
    assert!(succeeds(board.a_run().committer_with(1, &[])).contains("release 3 is up to date"));
    let other = board.a_run();
    let part = other.part("0/1");
    assert!(succeeds(other.committer_with(1, &["--not-before", EARLY])).starts_with("release 4: "));
    drop(part);
    assert_eq!(hours(&board), [FIRST, LATE, LATE, EARLY]);
}
