//! Proves that a way to the store on which requests and answers are lost, doubled and late costs time, and never a
//! release, a blob or a byte.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod board;
    pub(crate) mod servers;
}
mod system;

use std::thread;

use support::{
    board::{Board, MINIO},
    servers::{FaultyS3, s3},
};
use system::Ran;

/// Runs `publish` over the faulty way.
fn publish(board: &Board, way: &FaultyS3, flags: &[&str]) -> Ran {
    Ran::of(board.program("publish", flags).envs(s3::environment(way.port())))
}

/// Reads every release that is kept, over a way on which nothing goes wrong. The number of the current one.
fn verify(board: &Board) -> u64 {
    let current = *board.releases().last().unwrap();
    let oldest = board.manifest(current)["oldest"].as_u64().unwrap();
    for number in oldest..=current {
        board.run("publish", &["verify", &number.to_string()]).succeeded();
    }
    current
}

#[test]
fn whatever_happens_to_requests_every_release_is_whole_and_the_next_publication_succeeds() {
    let board = Board::new("faulty").seeded(5_000);
    let way = FaultyS3::to(MINIO.port(), 0x5EED);
    let mut failed = Vec::new();
    let mut before = 0_u64;
    for round in 0..5_u64 {
        board.edit(&format!("UPDATE students SET name = name || '+' WHERE id % 1700 = {round}"));
        let target = before.saturating_sub(1).max(1).to_string();
        let operations: [&[&str]; 4] =
            [&[], &["rollback", &target], &["collect", "--delete", "--keep", "2", "--grace", "0s"], &[]];
        for (place, flags) in operations.into_iter().enumerate() {
            if round == 0 && place == 1 {
                continue;
            }
            let ran = publish(&board, &way, flags);
            // An error may leave the outcome open; it never leaves half of one.
            if ran.status != Some(0)
                && !ran.stderr.contains("was given up")
                && !ran.stderr.contains("collected at")
            {
                failed.push(format!("{flags:?}: {}", ran.stderr));
            }
            if board.releases().is_empty() {
                continue;
            }
            let after = verify(&board);
            assert!(after >= before, "{before} became {after}");
            before = after;
        }
    }
    println!("{} faults, {} of 19 runs failed: {failed:#?}", way.faults(), failed.len());
    assert!(way.faults() > 25, "the faults are ill spread");
    assert!(failed.len() <= 3, "a publisher outlives what a store does now and then");
    // Nothing needs a person.
    board.publish();
    assert!(board.run("publish", &[]).succeeded().contains("is up to date"));
    let document = board.value("SELECT name FROM students WHERE id = 1700");
    assert!(document.ends_with('+'));
}

#[test]
fn rivals_over_a_faulty_way_follow_one_another() {
    let board = Board::new("faulty-rivals").seeded(3_000);
    let ways: Vec<_> = (1..=3).map(|seed| FaultyS3::to(MINIO.port(), seed)).collect();
    for round in 0..3 {
        board.edit(&format!("UPDATE students SET name = name || '+' WHERE id % 700 = {round}"));
        thread::scope(|scope| {
            for way in &ways {
                scope.spawn(|| publish(&board, way, &[]));
            }
            scope.spawn(|| {
                publish(&board, &ways[0], &["collect", "--delete", "--keep", "1", "--grace", "0s"]);
            });
        });
        verify(&board);
    }
    let releases = board.releases();
    assert_eq!(releases, (1..=releases.len() as u64).collect::<Vec<_>>(), "no number is left out");
    board.publish();
    assert!(board.run("publish", &[]).succeeded().contains("is up to date"));
}
