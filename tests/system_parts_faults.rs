//! Proves that a publication in parts is whole or not there, whoever of those who make it dies, lags or is overtaken;
//! and that whoever is left or started again ends well.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod board;
    pub(crate) mod parted;
    pub(crate) mod servers;
}
mod system;

use std::time::Instant;

use support::{
    board::Board,
    parted::{has_ended, succeeds},
};
use system::{Instants, eventually};

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
    let run = board.a_run();
    let committer = run.committer(3);
    let mut victim = run.part("1/3");
    let attempt = run.next_attempt(&[]);
    board.blobs_of(&attempt);
    victim.kill();
    assert!(!board.keys().contains(&run.key(&format!("{attempt}/1.json"))), "it had reported already");
    for part in run.parts(3) {
        assert!(succeeds(part).contains("release 2 is committed"));
    }
    assert!(succeeds(committer).starts_with("release 2: 15000 students in 16 shards; 16 shards uploaded"));
    assert_eq!(board.manifest(2)["attempt"], attempt, "the attempt outlives a part");
    board.is_what_the_database_holds();
}

#[test]
fn a_straggler_and_its_replacement_harm_nobody() {
    let board = published("straggler");
    let run = board.a_run();
    let committer = run.committer(2);
    let mut straggler = run.part("0/2");
    let attempt = run.next_attempt(&[]);
    board.blobs_of(&attempt);
    straggler.signal("STOP");
    for part in run.parts(2) {
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
    let run = board.a_run();
    let (committer, twins) = (run.committer(2), [run.parts(2), run.parts(2)]);
    for part in twins.into_iter().flatten() {
        has_ended(part, &run, 2);
    }
    assert!(succeeds(committer).starts_with("release 2: "));
    board.is_what_the_database_holds();
}

#[test]
fn a_committer_killed_at_any_instant_is_started_again_and_all_end_well() {
    let board = published("killed-committer");
    let run = board.a_run();
    let started = Instant::now();
    let (committer, parts) = (run.committer(2), run.parts(2));
    succeeds(committer);
    let took = started.elapsed();
    drop(parts);
    let mut instants = Instants(5);
    let mut cut_off = 0;
    for round in 0..8 {
        board.edit(MUCH);
        let run = board.a_run();
        let before = *board.releases().last().unwrap();
        let (mut committer, parts) = (run.committer(2), run.parts(2));
        instants.pass(took);
        committer.kill();
        let after = *board.releases().last().unwrap();
        cut_off += u32::from(after == before);
        board.verify();
        if after > before {
            board.edit("UPDATE students SET name = name || '*' WHERE id = 7");
        }
        let said = succeeds(run.committer(2));
        let is_told =
            said.starts_with(&format!("release {}: ", before + 1)) || said == run.is_already(before + 1);
        assert!(is_told, "round {round}: {said}");
        for part in parts {
            has_ended(part, &run, before + 1);
        }
        assert_eq!(*board.releases().last().unwrap(), before + 1, "round {round}");
        board.publish();
        board.is_what_the_database_holds();
    }
    println!("{cut_off} of 8 committers were cut off before their commit");
    assert!(cut_off > 0, "the instants are ill spread");
    board.verify_all();
}

#[test]
fn a_part_killed_at_any_instant_is_started_again_and_the_release_is_whole() {
    let board = published("killed-parts");
    let run = board.a_run();
    let started = Instant::now();
    let (committer, parts) = (run.committer(2), run.parts(2));
    succeeds(committer);
    let took = started.elapsed();
    drop(parts);
    let mut instants = Instants(7);
    for round in 3..9 {
        board.edit(MUCH);
        let run = board.a_run();
        let (committer, mut victim, other) = (run.committer(2), run.part("0/2"), run.part("1/2"));
        instants.pass(took);
        victim.kill();
        board.verify();
        let replacement = run.part("0/2");
        assert!(succeeds(committer).starts_with(&format!("release {round}: ")));
        for part in [other, replacement] {
            has_ended(part, &run, round);
        }
        board.is_what_the_database_holds();
    }
    board.verify_all();
}

#[test]
fn parts_that_had_reported_start_over_with_the_attempt_of_the_next_committer() {
    let board = published("reported");
    let run = board.a_run();
    let mut first = run.committer(3);
    let parts = [run.part("0/3"), run.part("1/3")];
    let attempt = run.next_attempt(&[]);
    run.reported(&attempt, 0);
    run.reported(&attempt, 1);
    first.kill();
    board.edit("UPDATE students SET name = name || '*' WHERE id = 7");
    let second = run.committer(3);
    let next = run.next_attempt(std::slice::from_ref(&attempt));
    run.reported(&next, 0);
    let last = run.part("2/3");
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
    let run = board.a_run();
    let committer = run.committer(3);
    let parts = [run.part("0/3"), run.part("1/3")];
    let attempt = run.next_attempt(&[]);
    run.reported(&attempt, 0);
    run.reported(&attempt, 1);
    end_the_holder(&board);
    committer.logs("the snapshot was lost; starting over");
    let next = run.next_attempt(std::slice::from_ref(&attempt));
    for part in parts.into_iter().chain([run.part("2/3")]) {
        assert!(succeeds(part).contains("release 2 is committed"));
    }
    assert!(succeeds(committer).starts_with("release 2: "));
    assert_eq!((board.releases(), run.attempts().len()), (vec![1, 2], 2));
    assert_eq!(board.manifest(2)["attempt"], next);
    board.is_what_the_database_holds();
}

#[test]
fn a_rival_that_wins_in_between_is_built_upon() {
    let board = published("rival");
    let run = board.a_run();
    let committer = run.committer(2);
    let first = run.part("0/2");
    let attempt = run.next_attempt(&[]);
    run.reported(&attempt, 0);
    assert!(board.publish().starts_with("release 2: "));
    committer.logs("another publisher committed release 2 first");
    board.edit("UPDATE students SET name = name || '*' WHERE id % 500 = 0");
    for part in [first, run.part("1/2")] {
        let said = succeeds(part);
        let is_told = said.ends_with(&run.was_up_to_date(2)) || said.contains("release 3 is committed");
        assert!(is_told, "{said}");
    }
    let said = succeeds(committer);
    assert!(said.starts_with("release 2 is up to date") || said.starts_with("release 3: "), "{said}");
    board.publish();
    assert!(board.releases().len() == 3);
    board.is_what_the_database_holds();
    board.verify_all();
}

#[test]
fn a_collection_in_between_takes_nothing_from_what_is_committed() {
    let board = published("collected");
    let run = board.a_run();
    let committer = run.committer(2);
    let first = run.part("0/2");
    let attempt = run.next_attempt(&[]);
    run.reported(&attempt, 0);
    let plan = run.key(&format!("{attempt}/plan.json"));
    eventually("the attempt is old enough to be collected", || {
        board.run("publish", &["collect", "--delete", "--keep", "1", "--grace", "0s"]).succeeded();
        (!board.keys().contains(&plan)).then_some(())
    });
    committer.logs("another publisher committed release 2 first");
    for part in [first, run.part("1/2")] {
        assert!(succeeds(part).contains("is committed"));
    }
    assert!(succeeds(committer).starts_with("release "));
    board.is_what_the_database_holds();
}
