//! Proves that a publication in parts ends once, for all who make it and whenever they come, and has nothing to do with
//! another one.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod board;
    pub(crate) mod parted;
    pub(crate) mod servers;
}
mod system;

use support::{
    board::Board,
    parted::{has_ended, succeeds},
};
use system::eventually;

/// A board with one release, of which half has changed.
fn published(bucket: &str) -> Board {
    let board = Board::new(bucket).seeded(15_000);
    board.publish();
    board.edit("UPDATE students SET name = name || '+' WHERE id % 2 = 0");
    board
}

#[test]
fn whoever_comes_when_nothing_has_changed_hears_of_it_at_once_whenever_that_is() {
    let board = Board::new("nothing-to-do").seeded(3_000);
    board.publish();
    let run = board.a_run();
    assert!(succeeds(run.committer(2)).starts_with("release 1 is up to date"), "it waits for nobody");
    assert_eq!(succeeds(run.part("0/2")), format!("part 0/2: {}", run.was_up_to_date(1)));
    // That was what this run had to find out. What comes later is for another one.
    board.edit("UPDATE students SET name = name || '+' WHERE id = 7");
    assert_eq!(succeeds(run.part("1/2")), format!("part 1/2: {}", run.was_up_to_date(1)));
    assert_eq!(succeeds(run.committer(2)), run.was_up_to_date(1));
    assert_eq!(board.releases(), [1]);
    assert!(board.publish_in_parts(2).starts_with("release 2: "));
}

#[test]
fn whoever_is_started_again_behind_the_commit_ends_at_once_whatever_has_come_since() {
    let board = Board::new("behind").seeded(3_000);
    let run = board.a_run();
    let (committer, parts) = (run.committer(2), run.parts(2));
    for part in parts {
        assert!(succeeds(part).contains("release 1 is committed"));
    }
    assert!(succeeds(committer).starts_with("release 1: "));
    board.edit("UPDATE students SET name = name || '+' WHERE id = 7");
    for _ in 0..2 {
        assert_eq!(succeeds(run.part("0/2")), format!("part 0/2: {}", run.is_already(1)));
        assert_eq!(succeeds(run.committer(2)), run.is_already(1));
        board.publish();
    }
    assert_eq!(board.releases(), [1, 2]);
    assert_eq!(run.attempts().len(), 1, "a run that has ended makes no attempt");
}

#[test]
fn of_two_committers_of_one_run_one_commits_and_the_other_hears_of_it() {
    let board = published("two-committers");
    let run = board.a_run();
    let committers = [run.committer(2), run.committer(2)];
    for part in run.parts(2) {
        has_ended(part, &run, 2);
    }
    let mut said = committers.map(succeeds);
    said.sort();
    assert!(said[0].starts_with("release 2: ") && said[1] == run.is_already(2), "{said:?}");
    assert_eq!(board.releases(), [1, 2]);
    board.is_what_the_database_holds();
}

#[test]
fn two_runs_at_once_share_no_parts_and_both_end_well() {
    let board = published("two-runs");
    let runs = [board.a_run(), board.a_run()];
    let committers = runs.each_ref().map(|run| run.committer(2));
    let attempts = runs.each_ref().map(|run| run.next_attempt(&[]));
    let parts = runs.each_ref().map(|run| run.parts(2));
    let said = committers.map(succeeds);
    assert!(said.iter().any(|said| said.starts_with("release 2: ")), "{said:?}");
    let winner = usize::from(said[1].starts_with("release 2: "));
    assert!(said[1 - winner].starts_with("release 2 is up to date"), "{said:?}");
    assert_eq!(board.manifest(2)["attempt"], attempts[winner]);
    for (place, parts) in parts.into_iter().enumerate() {
        for part in parts {
            match place == winner {
                true => has_ended(part, &runs[place], 2),
                false => assert!(succeeds(part).ends_with(&runs[place].was_up_to_date(2))),
            }
        }
    }
    board.is_what_the_database_holds();
}

#[test]
fn a_frozen_committer_loses_the_number_and_not_the_release() {
    let board = published("frozen");
    let run = board.a_run();
    let mut frozen = run.committer(2);
    let attempt = run.next_attempt(&[]);
    let first = run.part("0/2");
    run.reported(&attempt, 0);
    frozen.signal("STOP");
    let second = run.committer(2);
    let next = run.next_attempt(std::slice::from_ref(&attempt));
    run.reported(&next, 0);
    let last = run.part("1/2");
    for part in [first, last] {
        assert!(succeeds(part).contains("release 2 is committed"));
    }
    assert!(succeeds(second).starts_with("release 2: "));
    frozen.signal("CONT");
    assert_eq!(succeeds(frozen), run.is_already(2));
    assert_eq!(board.releases(), [1, 2]);
    board.is_what_the_database_holds();
}

#[test]
fn a_straggler_whose_release_was_collected_blames_nobody() {
    let board = published("long-gone");
    let run = board.a_run();
    let committer = run.committer(2);
    let mut straggler = run.part("0/2");
    let attempt = run.next_attempt(&[]);
    run.reported(&attempt, 0);
    straggler.signal("STOP");
    succeeds(run.part("1/2"));
    assert!(succeeds(committer).starts_with("release 2: "));
    board.edit("UPDATE students SET name = name || '*' WHERE id = 7");
    board.publish();
    eventually("the release is old enough to be collected", || {
        board.run("publish", &["collect", "--delete", "--keep", "1", "--grace", "0s"]).succeeded();
        board.manifest(2)["collected"].is_string().then_some(())
    });
    straggler.signal("CONT");
    straggler.logs(&format!(
        "release 2 was collected, and whether it was run {}'s cannot be seen any more",
        run.name
    ));
    assert_eq!(straggler.logged("another publisher"), 0, "{}", straggler.log());
}
