//! Proves that a publication in parts is whole or not there, whoever of those who make it dies, lags or is overtaken;
//! and that whoever is left or started again ends well.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod board;
    pub(crate) mod parted;
    pub(crate) mod servers;
}
mod system;

use std::time::{Duration, Instant};

use support::{
    board::Board,
    parted::{LIMIT, succeeds},
};
use system::{Instants, Watcher};

/// Touches every shard, in most of its students.
const MUCH: &str = "UPDATE students SET name = name || '+' WHERE id % 2 = 0";

/// A board with one release, and enough students that a share of the next one takes a while.
fn published(bucket: &str) -> Board {
    let board = Board::new(bucket).seeded(15_000);
    board.publish();
    board.edit(MUCH);
    board
}

/// Ends the session that holds the snapshot of the open attempt: of all the oldest transaction.
fn end_the_holder(board: &Board) {
    let holder = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
                  AND state = 'idle in transaction' ORDER BY xact_start LIMIT 1";
    let ended = board.value(&format!("SELECT pg_terminate_backend(({holder}))::text"));
    assert_eq!(ended, "true");
}

#[test]
fn a_part_killed_in_the_middle_is_started_again_and_the_others_wait_for_it() {
    let board = published("killed-part");
    let committer = board.committer(3);
    let mut victim = board.part("1/3");
    let attempt = board.next_attempt(&[]);
    board.blobs_of(&attempt);
    victim.kill();
    assert!(!board.keys().contains(&format!("parts/{attempt}/1.json")), "it had reported already");
    for part in board.parts(3) {
        assert!(succeeds(part).contains("release 2 is committed"));
    }
    assert!(succeeds(committer).starts_with("release 2: 15000 students in 16 shards; 16 shards uploaded"));
    assert_eq!(board.manifest(2)["attempt"], attempt, "the attempt outlives a part");
    board.is_what_the_database_holds();
}

#[test]
fn a_straggler_and_its_replacement_harm_nobody() {
    let board = published("straggler");
    let committer = board.committer(2);
    let mut straggler = board.part("0/2");
    let attempt = board.next_attempt(&[]);
    board.blobs_of(&attempt);
    straggler.signal("STOP");
    for part in board.parts(2) {
        succeeds(part);
    }
    assert!(succeeds(committer).starts_with("release 2: "));
    let before = board.manifest(2);
    straggler.signal("CONT");
    assert!(succeeds(straggler).starts_with("part 0/2: release 2 is committed; "));
    assert_eq!(board.manifest(2), before);
    board.is_what_the_database_holds();
}

#[test]
fn two_of_each_part_at_once_bring_the_same() {
    let board = published("twins");
    let (committer, twins) = (board.committer(2), [board.parts(2), board.parts(2)]);
    for part in twins.into_iter().flatten() {
        assert!(succeeds(part).contains("release 2 is committed"));
    }
    assert!(succeeds(committer).starts_with("release 2: "));
    board.is_what_the_database_holds();
}

#[test]
fn a_committer_killed_at_any_instant_is_started_again_and_all_end_well() {
    let board = published("killed-committer");
    let started = Instant::now();
    let (committer, parts) = (board.committer(2), board.parts(2));
    succeeds(committer);
    let took = started.elapsed();
    drop(parts);
    let mut instants = Instants(5);
    let mut cut_off = 0;
    for round in 0..8 {
        board.edit(MUCH);
        let before = *board.releases().last().unwrap();
        let (mut committer, parts) = (board.committer(2), board.parts(2));
        instants.pass(took);
        committer.kill();
        let after = *board.releases().last().unwrap();
        cut_off += u32::from(after == before);
        board.verify();
        let committer = board.committer(2);
        for part in parts {
            let said = succeeds(part);
            let ended = ["is committed", "is up to date"].iter().any(|end| said.contains(end));
            assert!(ended && said.contains(&format!("release {}", before + 1)), "round {round}: {said}");
        }
        // What was committed already cannot be waited for by anybody who comes later.
        let mut committer = committer;
        if after == before {
            assert_eq!(committer.ended(LIMIT).code(), Some(0), "{}", committer.log());
        } else {
            committer.kill();
        }
        assert_eq!(*board.releases().last().unwrap(), before + 1, "round {round}");
        board.is_what_the_database_holds();
    }
    println!("{cut_off} of 8 committers were cut off before their commit");
    assert!(cut_off > 0, "the instants are ill spread");
    board.verify_all();
}

#[test]
fn parts_that_had_reported_start_over_with_the_attempt_of_the_next_committer() {
    let board = published("reported");
    let mut first = board.committer(3);
    let parts = [board.part("0/3"), board.part("1/3")];
    let attempt = board.next_attempt(&[]);
    board.reported(&attempt, 0);
    board.reported(&attempt, 1);
    first.kill();
    board.edit("UPDATE students SET name = name || '*' WHERE id = 7");
    let second = board.committer(3);
    let next = board.next_attempt(std::slice::from_ref(&attempt));
    board.reported(&next, 0);
    let last = board.part("2/3");
    for part in parts.into_iter().chain([last]) {
        assert!(succeeds(part).contains("release 2 is committed"));
    }
    assert!(succeeds(second).starts_with("release 2: "));
    assert_eq!(board.manifest(2)["attempt"], next);
    assert!(
        board.shards(2).values().all(|key| !key.contains(&attempt)),
        "nothing of the first attempt is named"
    );
    board.is_what_the_database_holds();
}

#[test]
fn whoever_loses_the_snapshot_starts_over_and_commits_once() {
    let board = published("holder");
    let committer = board.committer(3);
    let parts = [board.part("0/3"), board.part("1/3")];
    let attempt = board.next_attempt(&[]);
    board.reported(&attempt, 0);
    board.reported(&attempt, 1);
    end_the_holder(&board);
    committer.logs("the snapshot was lost; starting over");
    let next = board.next_attempt(std::slice::from_ref(&attempt));
    for part in parts.into_iter().chain([board.part("2/3")]) {
        assert!(succeeds(part).contains("release 2 is committed"));
    }
    assert!(succeeds(committer).starts_with("release 2: "));
    assert_eq!((board.releases(), board.attempts().len()), (vec![1, 2], 2));
    assert_eq!(board.manifest(2)["attempt"], next);
    board.is_what_the_database_holds();
}

#[test]
fn a_rival_that_wins_in_between_is_built_upon() {
    let board = published("rival");
    let committer = board.committer(2);
    let first = board.part("0/2");
    let attempt = board.next_attempt(&[]);
    board.reported(&attempt, 0);
    assert!(board.publish().starts_with("release 2: "));
    committer.logs("another publisher committed release 2 first");
    board.edit("UPDATE students SET name = name || '*' WHERE id % 500 = 0");
    for part in [first, board.part("1/2")] {
        let said = succeeds(part);
        assert!(
            said.contains("release 2 is up to date") || said.contains("release 3 is committed"),
            "{said}"
        );
    }
    let said = succeeds(committer);
    assert!(said.starts_with("release 2 is up to date") || said.starts_with("release 3: "), "{said}");
    board.publish();
    assert!(board.releases().len() == 3);
    board.is_what_the_database_holds();
    board.verify_all();
}

#[test]
fn of_two_committers_at_once_both_end_well() {
    let board = published("two-committers");
    let committers = [board.committer(2), board.committer(2)];
    let mut parts = board.parts(2);
    for part in &mut parts {
        assert_eq!(part.ended(LIMIT).code(), Some(0), "{}", part.log());
    }
    // The other one starts over, and needs parts to tell that nothing has changed.
    let more: Vec<Watcher> = board.parts(2);
    for committer in committers {
        let said = succeeds(committer);
        assert!(said.starts_with("release 2"), "{said}");
    }
    drop(more);
    assert_eq!(board.releases(), [1, 2]);
    board.is_what_the_database_holds();
}

#[test]
fn a_frozen_committer_loses_the_number_and_not_the_release() {
    let board = published("frozen");
    let mut frozen = board.committer(2);
    let attempt = board.next_attempt(&[]);
    let first = board.part("0/2");
    board.reported(&attempt, 0);
    frozen.signal("STOP");
    let second = board.committer(2);
    let next = board.next_attempt(std::slice::from_ref(&attempt));
    board.reported(&next, 0);
    let last = board.part("1/2");
    for part in [first, last] {
        assert!(succeeds(part).contains("release 2 is committed"));
    }
    assert!(succeeds(second).starts_with("release 2: "));
    frozen.signal("CONT");
    frozen.logs_within(Duration::from_secs(20), "starting over");
    for part in board.parts(2) {
        assert!(succeeds(part).contains("release 2 is up to date"));
    }
    assert!(succeeds(frozen).starts_with("release 2 is up to date"));
    assert_eq!(board.releases(), [1, 2]);
    board.is_what_the_database_holds();
}
