//! Proves that neither the death of a publisher nor that of its S3 store leaves anything but whole releases.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod board;
    pub(crate) mod servers;
}
mod system;

use std::{
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use support::{board::Board, servers::Minio};
use system::{Instants, Site, kill_publishers};

/// Touches every shard.
const EVERYWHERE: &str = "UPDATE students SET name = name || '+' WHERE id % 500 = 0";

impl Site for Board {
    fn publisher(&self, flags: &[&str]) -> Command {
        self.program("publish", flags)
    }

    fn correct_all(&self, sql: &str) {
        self.edit(sql);
    }

    fn everything_changes(&self) {
        self.edit("SELECT log_changes('{0}')");
    }

    fn numbers(&self) -> Vec<u64> {
        self.releases()
    }
}

#[test]
fn a_publisher_killed_at_any_instant_of_anything_leaves_whole_releases() {
    let board = Board::new("killed").seeded(3_000);
    board.publish();
    kill_publishers(&board, 8, 25);
}

#[test]
fn a_store_killed_during_a_publication_and_restarted_costs_a_wait_and_nothing_else() {
    let mut minio = Minio::start();
    let board = Board::at(minio.port(), "restarted").seeded(20_000);
    let started = Instant::now();
    board.publish();
    let whole = started.elapsed();
    let mut instants = Instants(3);
    let mut failed = 0;
    for _ in 0..8 {
        board.edit(EVERYWHERE);
        let before = *board.releases().last().unwrap();
        let mut command = board.program("publish", &[]);
        let publish = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        instants.pass(whole);
        minio.kill();
        minio.resume();
        let ended = publish.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        match ended.status.code() {
            Some(0) => {}
            // The questions at the start are asked once; everything after them outlives the restart.
            Some(1) => {
                failed += 1;
                let line = said.lines().last().unwrap();
                let at_the_start = [" does not answer: ", "creating probes/", "deleting probes/"];
                assert!(at_the_start.iter().any(|start| line.contains(start)), "{said}");
            }
            _ => panic!("{:?}: {said}", ended.status),
        }
        board.publish();
        assert_eq!(*board.releases().last().unwrap(), before + 1, "{said}");
        assert!(board.run("publish", &[]).succeeded().contains("is up to date"));
    }
    println!("{failed} of 8 publications failed");
    for release in board.releases() {
        board.run("publish", &["verify", &release.to_string()]).succeeded();
    }
}

#[test]
fn a_store_that_stays_away_ends_a_publication_within_a_minute_and_the_next_one_succeeds() {
    let mut minio = Minio::start();
    let board = Board::at(minio.port(), "away").seeded(40_000);
    board.publish();
    board.edit(EVERYWHERE);
    let mut command = board.program("publish", &[]);
    let publish = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Once it has uploaded something it is past the questions that are asked only once.
    let before = board.keys().len();
    while board.keys().len() == before {
        thread::yield_now();
    }
    minio.kill();
    let killed = Instant::now();
    let ended = publish.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(killed.elapsed() < Duration::from_secs(60), "{:?}", killed.elapsed());
    let line = said.lines().last().unwrap();
    assert!(line.contains(" in the store: Connection refused (os error 111) ("), "{line}");
    minio.resume();
    assert_eq!(board.releases(), [1]);
    assert!(board.publish().starts_with("release 2: 40000 students in 41 shards; 41 shards uploaded"));
}
