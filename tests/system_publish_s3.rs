//! Proves that results in PostgreSQL are published to an S3 store as those in SQLite are to a directory: the same
//! bytes, only what changed, in bounded memory, into a bucket that need not be there.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod board;
    pub(crate) mod servers;
}
mod system;

use std::{fs, thread, time::Duration};

use support::{
    board::{Board, digest, shards},
    servers::{Minio, SeaweedFs},
};
use system::{Nation, Ran, Running, within};

#[test]
fn postgres_and_s3_give_the_bytes_that_sqlite_and_a_directory_give() {
    let nation = Nation::seeded(1, 5_000);
    nation.publish();
    let board = Board::new("the-same").seeded(5_000);
    assert!(board.publish().starts_with("release 1: 5000 students in 6 shards; 6 shards uploaded"));
    let digests = |keys: std::collections::BTreeMap<u64, String>| -> Vec<(u64, String)> {
        keys.into_iter().map(|(prefix, key)| (prefix, digest(&key).to_owned())).collect()
    };
    assert_eq!(digests(board.shards(1)), digests(nation.shards(1)));
    // Nor does it matter where which of them goes.
    let mut crossed = board.program("publish", &["--bucket", "./bucket"]);
    Ran::of(&mut crossed).succeeded();
    let manifest = fs::read(board.folder.path().join("bucket/releases/00000000000000000001.json")).unwrap();
    let manifest = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(digests(shards(&manifest)), digests(nation.shards(1)));
    assert_eq!(board.keys().len(), 7, "six shards and a manifest: {:?}", board.keys());
}

#[test]
fn only_shards_with_a_change_are_uploaded_again_and_nothing_without_one() {
    let board = Board::new("corrections").seeded(5_000);
    board.publish();
    let (first, keys) = (board.shards(1), board.keys());
    assert!(board.publish().starts_with("release 1 is up to date"));
    assert_eq!(board.keys(), keys);
    board.edit("UPDATE students SET name = name || ' +' WHERE id IN (1500, 1501, 4999)");
    assert!(board.publish().starts_with("release 2: 5000 students in 6 shards; 2 shards uploaded"));
    let second = board.shards(2);
    let kept: Vec<_> =
        first.iter().filter(|(prefix, key)| second[prefix] == **key).map(|(at, _)| *at).collect();
    assert_eq!(kept, [0, 2, 3, 5]);
    assert_eq!(board.manifest(2)["parent"], 1);
    assert!(board.publish().starts_with("release 2 is up to date"));
    assert_eq!(board.keys().len(), keys.len() + 3, "two shards and a manifest");
    board.run("publish", &["verify", "1"]).succeeded();
}

#[test]
fn a_bucket_that_is_missing_is_created_though_several_publishers_come_at_once() {
    let board = Board::new("first").seeded(2_000);
    for round in 0..5 {
        let bucket = format!("created-{round}");
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| board.run("publish", &["--bucket", &bucket]).succeeded());
            }
        });
        let said = board.run("publish", &["--bucket", &bucket]).succeeded();
        assert!(said.contains("is up to date"), "{said}");
        board.run("publish", &["verify", "--bucket", &bucket]).succeeded();
    }
}

#[test]
fn buckets_are_created_in_the_region_that_the_environment_names() {
    let minio = Minio::start_with(&["MINIO_SITE_REGION=eu-central-1"]);
    let board = Board::at(minio.port(), "abroad").seeded(100);
    let said = Ran::of(board.program("publish", &[]).env("AWS_REGION", "eu-central-1")).succeeded();
    assert!(said.starts_with("release 1: 100 students"), "{said}");
    let said = Ran::of(board.program("publish", &["verify"]).env("AWS_REGION", "eu-central-1")).succeeded();
    assert!(said.starts_with("release 1 is whole"), "{said}");
}

#[test]
fn one_bucket_holds_several_sets_of_releases_under_their_prefixes() {
    let june = Board::new("s3://years/2026/june").seeded(1_200);
    let july = Board::new("s3://years/2026/july").seeded(800);
    assert!(june.publish().starts_with("release 1: 1200 students"));
    assert!(july.publish().starts_with("release 1: 800 students"));
    let keys = june.keys();
    assert_eq!(keys.iter().filter(|key| key.starts_with("2026/june/")).count(), 3, "{keys:?}");
    assert_eq!(keys.iter().filter(|key| key.starts_with("2026/july/")).count(), 2, "{keys:?}");
    assert_eq!(keys.len(), 5, "{keys:?}");
    june.verify();
}

#[test]
fn seaweedfs_is_as_good_a_store() {
    let seaweedfs = SeaweedFs::start();
    let board = Board::at(seaweedfs.port(), "elsewhere").seeded(5_000);
    assert!(board.publish().starts_with("release 1: 5000 students in 6 shards; 6 shards uploaded"));
    board.edit("UPDATE students SET name = name || ' +' WHERE id = 1500");
    assert!(board.publish().starts_with("release 2: 5000 students in 6 shards; 1 shards uploaded"));
    assert!(board.publish().contains("is up to date"));
    assert_eq!(board.releases(), [1, 2]);
}

/// 20 shards between reader and store, each under 1 MB, in a program of about 30 MB.
const MEMORY: u64 = 100_000;

#[test]
fn a_publication_of_many_students_stays_within_its_memory() {
    let board = Board::new("memory").seeded(60_000);
    let mut publish = Running::start_silent(&mut board.program("publish", &[]));
    let status = format!("/proc/{}/status", publish.child().id());
    let mut peak = 0;
    let ended = within(Duration::from_secs(120), "the publication ends", || {
        // The kernel keeps the peak, so what is read last before the end says it all.
        peak = peak.max(fs::read_to_string(&status).ok().and_then(|status| high_water(&status)).unwrap_or(0));
        publish.child().try_wait().unwrap()
    });
    assert!(ended.success());
    println!("{peak} kB at most");
    assert!((1_000..MEMORY).contains(&peak), "{peak} kB");
    board.verify();
}

/// The most memory that a process has had so far, in kB.
fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
