//! Proves that a publication in parts is the publication that one program makes, byte for byte, and that it is for
//! nothing else than what there is to publish.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod board;
    pub(crate) mod parted;
    pub(crate) mod servers;
}
mod system;

use serde_json::Value;

use support::{
    board::{Board, digest},
    parted::{fails, succeeds},
};
use system::{Nation, eventually, sealed};

/// A few everywhere, many in some shards, a shard that goes, one that comes, and somebody who is withheld.
const EDITS: &str = "
UPDATE students SET name = name || '+' WHERE id % 700 = 0;
UPDATE students SET name = name || '-' WHERE id BETWEEN 3000 AND 4600;
DELETE FROM students WHERE id BETWEEN 7000 AND 7999 OR id = 12345;
INSERT INTO students VALUES (25001, 'N', 'F', 'S', 'R', 'natural_science');
INSERT INTO natural_science_results VALUES (25001, 1, 2, 3, 4, 5, 6, 7);
";

/// What a release says of its shards, but for the tries that wrote them.
fn content(manifest: &Value) -> Value {
    let mut manifest = manifest.clone();
    for shard in manifest["shards"].as_array_mut().unwrap() {
        shard["key"] = digest(shard["key"].as_str().unwrap()).into();
    }
    for other in ["attempt", "created", "sha256"] {
        manifest[other].take();
    }
    manifest["source"]["token"].take();
    // A try of publish is a transaction of its own.
    manifest["source"]["snapshot"].take();
    manifest
}

#[test]
fn three_parts_give_what_one_publication_gives_from_nothing_and_on_top_of_another() {
    let parts = Board::new("in-parts").seeded(20_000);
    let mut whole = Board::new("in-one");
    whole.database = parts.database.clone();
    let said = parts.publish_in_parts(3);
    assert!(said.starts_with("release 1: 20000 students in 21 shards; 21 shards uploaded"), "{said}");
    whole.publish();
    assert_eq!(content(&parts.manifest(1)), content(&whole.manifest(1)));

    parts.edit(EDITS);
    let said = parts.publish_in_parts(3);
    assert!(said.starts_with("release 2: 19000 students in 21 shards; 20 shards uploaded"), "{said}");
    whole.publish();
    assert_eq!(content(&parts.manifest(2)), content(&whole.manifest(2)));

    // One shard for seven parts: six of them have nothing to do.
    parts.edit("UPDATE students SET name = name || '*' WHERE id = 25001");
    let said = parts.publish_in_parts(7);
    assert!(said.starts_with("release 3: 19000 students in 21 shards; 1 shards uploaded"), "{said}");
    whole.publish();
    assert_eq!(content(&parts.manifest(3)), content(&whole.manifest(3)));

    // And a plain publication goes on from there.
    parts.edit("SELECT log_changes('{0}')");
    assert!(parts.publish().starts_with("release 4: 19000 students"));
    parts.verify_all();
}

#[test]
fn a_directory_that_all_of_them_reach_is_as_good_a_bucket() {
    let mut board = Board::new("none").seeded(3_000);
    board.bucket = "./bucket".to_owned();
    assert!(board.publish_in_parts(2).starts_with("release 1: 3000 students in 4 shards; 4 shards uploaded"));
    board.edit("UPDATE students SET name = name || '+' WHERE id IN (7, 2007)");
    assert!(board.publish_in_parts(2).starts_with("release 2: 3000 students in 4 shards; 2 shards uploaded"));
    eventually("nothing is left of it when it is collected, not even a folder", || {
        board.run("publish", &["collect", "--delete", "--grace", "0s"]).succeeded();
        let left = std::fs::read_dir(board.folder.path().join("bucket/parts")).unwrap().count();
        (left == 0).then_some(())
    });
}

#[test]
fn an_hour_is_for_the_committer_to_set_and_a_rollback_ends_with_the_publication() {
    let board = Board::new("hour").seeded(3_000);
    let run = board.a_run();
    let committer = run.committer_with(2, &["--not-before", "2126-11-30T06:00:00Z"]);
    for part in run.parts(2) {
        succeeds(part);
    }
    assert!(succeeds(committer).ends_with("nobody sees it before 2126-11-30T06:00:00Z"));
    board.edit("UPDATE students SET name = name || '+' WHERE id = 7");
    board.publish_in_parts(2);
    assert_eq!(board.manifest(2)["not_before"], "2126-11-30T06:00:00Z");
    board.run("publish", &["rollback", "1"]).succeeded();
    assert!(board.publish_in_parts(2).starts_with("release 4: "));
    assert_eq!(board.manifest(4)["repeats"], Value::Null);
    board.verify_all();
}

#[test]
fn parts_of_another_number_than_the_committers_are_refused() {
    let board = Board::new("numbers").seeded(2_000);
    board.publish();
    board.edit("UPDATE students SET name = name || '+' WHERE id = 7");
    let run = board.a_run();
    let committer = run.committer(2);
    run.next_attempt(&[]);
    fails(run.part("0/3"), &["has 2 parts, and this is part 0/3", "give the same number"]);
    for part in run.parts(2) {
        succeeds(part);
    }
    assert!(succeeds(committer).starts_with("release 2: "));
    board.is_what_the_database_holds();
}

/// The try that wrote a blob.
fn of(key: &str) -> &str {
    key.rsplit('-').next().unwrap().strip_suffix(".json.zst").unwrap()
}

#[test]
fn a_report_of_another_attempt_or_another_number_of_parts_is_refused() {
    let board = Board::new("mixed").seeded(3_000);
    let before = board.a_run();
    let (committer, parts) = (before.committer(2), before.parts(2));
    succeeds(committer);
    drop(parts);
    let earlier = before.attempts().remove(0);
    board.edit("SELECT log_changes('{0}')");
    let run = board.a_run();
    let mut known = Vec::new();
    let edits: [fn(&mut Value, &str); 4] = [
        |_, _| {},
        |report, attempt| {
            report["attempt"] = attempt.into();
            report["parts"] = 3.into();
        },
        |report, attempt| {
            report["attempt"] = attempt.into();
            let key = report["shards"][0]["key"].as_str().unwrap();
            report["shards"][0]["key"] = key.replace(of(key), "0123456789abcdef").into();
        },
        |report, attempt| {
            report["attempt"] = attempt.into();
            report["shards"].as_array_mut().unwrap().pop();
        },
    ];
    let named = [
        format!("it is the report of part 1/2 of attempt {earlier}"),
        "it is the report of part 1/3 of attempt".to_owned(),
        "is neither of this attempt nor of the release before".to_owned(),
        "which are not the 2 that fall to it".to_owned(),
    ];
    for (edit, named) in edits.into_iter().zip(named) {
        let committer = run.committer(2);
        let attempt = run.next_attempt(&known);
        let mut report = board.json(&before.key(&format!("{earlier}/1.json")));
        edit(&mut report, &attempt);
        report.as_object_mut().unwrap().remove("sha256");
        board.put(&run.key(&format!("{attempt}/1.json")), sealed(&report.to_string()).into());
        let mut other = run.part("0/2");
        fails(committer, &[&named]);
        other.kill();
        known.push(attempt);
        assert_eq!(board.releases(), [1], "{named}");
    }
    assert!(board.publish_in_parts(2).starts_with("release 2: "));
}

#[test]
fn what_is_left_of_attempts_is_collected_when_it_is_old() {
    let board = Board::new("litter").seeded(2_000);
    board.publish_in_parts(2);
    let of_parts = || board.keys().into_iter().filter(|key| key.starts_with("parts/")).count();
    assert_eq!(of_parts(), 4);
    let said = board.run("publish", &["collect"]).succeeded();
    assert!(said.starts_with("nothing to collect"), "{said}");
    eventually("what is older than a second is collected", || {
        board.run("publish", &["collect", "--delete", "--grace", "0s"]).succeeded();
        (of_parts() == 0).then_some(())
    });
    assert!(board.publish_in_parts(2).contains("is up to date"));
    board.verify_all();
}

#[test]
fn without_a_database_that_can_share_a_snapshot_there_are_no_parts() {
    let nation = Nation::seeded(1, 1_000);
    for flags in [["--parts", "2", "--run", "a"], ["--part", "0/2", "--run", "a"]] {
        nation
            .run("publish", &flags)
            .failed(1, &["sqlite:results.db", "publish it as a whole, without parts"]);
    }
    for flags in [
        &["--part", "2/2"][..],
        &["--part", "1"],
        &["--parts", "0"],
        &["--parts", "257"],
        &["--parts", "2", "--part", "0/2"],
        &["--parts", "2", "--watch"],
        &["--part", "0/2", "--watch"],
        &["--part", "0/2", "--not-before", "2126-11-30T06:00:00Z"],
    ] {
        assert_eq!(nation.run("publish", &[flags, &["--run", "a"]].concat()).status, Some(2), "{flags:?}");
    }
    for flags in [
        &["--parts", "2"][..],
        &["--part", "0/2"],
        &["--run", "a"],
        &["--parts", "2", "--run", ".."],
        &["--parts", "2", "--run", "a/b"],
        &["--parts", "2", "--run", "a", "releases"],
    ] {
        assert_eq!(nation.run("publish", flags).status, Some(2), "{flags:?}");
    }
}
