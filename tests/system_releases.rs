//! Proves what can be done with releases after they were committed: list, roll back, collect, and an embargo that is
//! set, inherited, moved and refused.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::{fs, thread, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use system::{Nation, Server, eventually, files};

/// Every kept release of the nation is whole.
fn all_are_whole(nation: &Nation) {
    let current = *nation.releases().last().unwrap();
    let oldest = nation.manifest(current)["oldest"].as_u64().unwrap();
    for number in oldest..=current {
        nation.run("publish", &["verify", &number.to_string()]).succeeded();
    }
}

/// Three releases: the first, one with student 7 corrected, and one with 1500 corrected as well.
fn three_releases() -> Nation {
    let nation = Nation::published();
    nation.correct(7);
    nation.publish();
    nation.correct(1_500);
    nation.publish();
    nation
}

fn in_an_hour() -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(1)
}

#[track_caller]
fn is_answered(server: &Server, id: u32, document: &[u8], cache_status: &str) {
    let answer = eventually("the student is answered as expected", || {
        let answer = server.student(id);
        (answer.header("cache-status").is_some_and(|said| said.starts_with(cache_status))).then_some(answer)
    });
    assert_eq!((answer.status, answer.body.as_slice()), (200, document), "{id}");
}

#[test]
fn a_rollback_names_the_old_shards_and_whoever_changed_since_is_answered_live() {
    let nation = three_releases();
    let (live, alone) = (nation.serve().serving(3), nation.serve_with(&["--cache-dir", "alone"]).serving(3));
    let first = nation.manifest(1);
    let said = nation.run("publish", &["rollback", "1"]).succeeded();
    assert!(said.starts_with("release 4 shows what release 1 does: 3000 students in 4 shards"), "{said}");
    all_are_whole(&nation);
    let manifest = nation.manifest(4);
    for field in ["shards", "source", "students", "width", "renderer", "encoder", "not_before"] {
        assert_eq!(manifest[field], first[field], "{field}");
    }
    assert_eq!((&manifest["parent"], &manifest["repeats"]), (&json!(3), &json!(1)));
    assert_ne!(manifest["attempt"], first["attempt"]);

    // No superseded mark comes back: the live server knows who has changed.
    live.switched_to(4);
    for id in [7, 1_500] {
        is_answered(&live, id, &nation.document(id), "results-day;fwd=stale");
    }
    is_answered(&live, 8, &nation.document(8), "results-day;hit");
    // A static server shows the older results, which is what was asked for.
    alone.switched_to(4);
    is_answered(&alone, 8, &nation.document(8), "results-day;hit");

    // To do it again is no change, and the next publication brings everything up to date.
    let said = nation.run("publish", &["rollback", "1"]).succeeded();
    assert_eq!(said, "the current release shows what release 1 does; nothing to do\n");
    assert!(nation.publish().starts_with("release 5: 3000 students in 4 shards; 2 shards uploaded"));
    assert_eq!(nation.manifest(5)["repeats"], Value::Null);
    live.switched_to(5);
    for id in [7, 8, 1_500] {
        is_answered(&live, id, &nation.document(id), "results-day;hit");
    }
}

#[test]
fn a_rollback_to_what_is_not_there_or_not_whole_is_refused_and_changes_nothing() {
    let nation = three_releases();
    let refused = |number: &str, status, words: &[&str]| {
        nation.run("publish", &["rollback", number]).failed(status, words);
        assert_eq!(nation.releases(), [1, 2, 3]);
    };
    refused("9", 1, &["there is no release 9"]);
    refused("0", 2, &["0"]);
    let key = nation.shards(1)[&1].clone();
    fs::remove_file(nation.bucket().join(&key)).unwrap();
    refused("1", 1, &[&key]);
    let empty = Nation::seeded(1, 10);
    empty.run("publish", &["rollback", "1"]).failed(1, &["there is no such directory"]);
    fs::create_dir(empty.bucket()).unwrap();
    empty.run("publish", &["rollback", "1"]).failed(1, &["there is no release 1"]);
}

#[test]
fn releases_are_listed_for_a_person_and_for_a_program() {
    let empty = Nation::seeded(1, 10);
    fs::create_dir(empty.bucket()).unwrap();
    assert_eq!(empty.run("publish", &["releases"]).succeeded(), "nothing is published\n");
    assert_eq!(empty.run("publish", &["releases", "--json"]).succeeded(), "[]\n");

    let nation = three_releases();
    nation.run("publish", &["rollback", "2"]).succeeded();
    let table = nation.run("publish", &["releases"]).succeeded();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 5, "{table}");
    assert_eq!(rows[1][..4], ["*4", "rollback", "to", "2"]);
    assert_eq!(rows[2][..2], ["3", "publication"]);

    let releases: Value =
        serde_json::from_str(&nation.run("publish", &["releases", "--json"]).succeeded()).unwrap();
    let numbers: Vec<_> =
        releases.as_array().unwrap().iter().map(|release| release["number"].clone()).collect();
    assert_eq!(numbers, [4, 3, 2, 1]);
    let newest = &releases[0];
    assert_eq!(newest["kind"], "rollback");
    assert_eq!((&newest["current"], &newest["repeats"]), (&json!(true), &json!(2)));
    let manifest = nation.manifest(4);
    let bytes: u64 =
        manifest["shards"].as_array().unwrap().iter().map(|shard| shard["bytes"].as_u64().unwrap()).sum();
    for (field, expected) in [
        ("students", json!(3_000)),
        ("shards", json!(4)),
        ("new_shards", json!(1)),
        ("bytes", json!(bytes)),
        ("created", manifest["created"].clone()),
        ("not_before", Value::Null),
        ("data_set", manifest["source"]["data_set"].clone()),
        ("snapshot", manifest["source"]["snapshot"].clone()),
    ] {
        assert_eq!(newest[field], expected, "{field}");
    }
}

#[test]
fn a_collection_says_what_it_would_do_and_does_it_when_it_is_told() {
    let nation = three_releases();
    let server = nation.serve().serving(3);
    let keep_one = ["collect", "--keep", "1", "--grace", "0s"];
    // The store's clock is read to the second.
    thread::sleep(Duration::from_millis(1_100));
    let before = files(&nation.bucket());
    let said = nation.run("publish", &keep_one).succeeded();
    assert!(said.starts_with("would collect 2 releases before release 3 and 2 objects"), "{said}");
    assert_eq!(files(&nation.bucket()), before, "to say what would be done changes nothing");
    let said = nation.run("publish", &["collect"]).succeeded();
    assert!(
        said.contains("would collect 0") || said.starts_with("nothing to collect"),
        "an hour is spared: {said}"
    );

    let deleting = [keep_one.as_slice(), &["--delete"]].concat();
    let said = nation.run("publish", &deleting).succeeded();
    assert!(said.starts_with("collected 2 releases before release 3 and 2 objects"), "{said}");
    assert!(said.contains("release 4 is the fence"), "{said}");
    all_are_whole(&nation);
    let fence = nation.manifest(4);
    assert_eq!((&fence["oldest"], &fence["repeats"], &fence["parent"]), (&json!(3), &json!(3), &json!(3)));
    assert_eq!(fence["shards"], nation.manifest(3)["shards"]);
    for number in [1, 2] {
        let tombstone = nation.manifest(number);
        assert_eq!(tombstone["number"], number);
        assert!(tombstone["collected"].is_string() && tombstone["shards"].is_null(), "{tombstone}");
        nation.run("publish", &["verify", &number.to_string()]).failed(1, &["was collected at"]);
        nation
            .run("publish", &["rollback", &number.to_string()])
            .failed(1, &["was given up to collection; the oldest that is kept is 3"]);
    }
    // Nothing but what the kept releases name is left.
    let named: Vec<_> = nation.shards(4).into_values().map(|key| nation.bucket().join(key)).collect();
    let left: Vec<_> = files(&nation.bucket().join("shards")).into_keys().collect();
    assert_eq!(left.len(), named.len());
    assert!(left.iter().all(|path| named.contains(path)));

    // Whoever serves goes on, warm or cold.
    server.switched_to(4);
    server.serves(7, &nation.document(7));
    nation.serve_with(&["--cache-dir", "cold"]).serving(4).serves(7, &nation.document(7));
    nation.correct(8);
    assert!(nation.publish().starts_with("release 5: "));
    assert_eq!(nation.manifest(5)["oldest"], 3);
}

#[test]
fn an_embargo_is_set_inherited_moved_and_set_only_before_anything_was_seen() {
    let nation = Nation::seeded(1, 2_000);
    let hour = in_an_hour();
    let publish = |flags: &[&str]| nation.run("publish", flags);
    publish(&["--not-before", "tomorrow"]).failed(2, &["--not-before"]);
    publish(&["--not-before", "2020-01-01T00:00:00Z"]).failed(1, &["2020-01-01T00:00:00Z is over"]);
    assert_eq!(nation.releases(), [0; 0]);

    let said = publish(&["--not-before", &hour.to_string()]).succeeded();
    assert!(said.contains(&format!("nobody sees it before {hour}")), "{said}");
    nation.verify();
    assert!(publish(&["--not-before", &hour.to_string()]).succeeded().contains("up to date"));
    nation.correct(7);
    nation.publish();
    let earlier = hour - SignedDuration::from_mins(1);
    let said = publish(&["--not-before", &earlier.to_string()]).succeeded();
    assert!(said.starts_with("release 3: 2000 students in 3 shards; 0 shards uploaded"), "{said}");
    publish(&["rollback", "1"]).succeeded();
    let hours: Vec<_> = (1..=4).map(|number| nation.manifest(number)["not_before"].clone()).collect();
    // What was agreed on last is the hour, whatever was rolled back to.
    assert_eq!(hours, [&hour, &hour, &earlier, &earlier].map(|hour| json!(hour.to_string())));
    all_are_whole(&nation);

    let seen = Nation::published();
    seen.run("publish", &["--not-before", &hour.to_string()])
        .failed(1, &["results of this data set are visible", "only be set before"]);
    assert_eq!(seen.releases(), [1]);

    // In its last minutes it is not put off, and it can still be moved to an earlier instant.
    let soon = Nation::seeded(2, 100);
    let in_five = Timestamp::now() + SignedDuration::from_mins(5);
    soon.run("publish", &["--not-before", &in_five.to_string()]).succeeded();
    soon.run("publish", &["--not-before", &hour.to_string()])
        .failed(1, &["cannot be moved to a later instant"]);
    let in_four = in_five - SignedDuration::from_mins(1);
    soon.run("publish", &["--not-before", &in_four.to_string()]).succeeded();
    assert_eq!(soon.releases(), [1, 2]);
}

#[test]
fn an_hour_belongs_to_its_data_set_whatever_another_ones_is() {
    let (seen, staged) = (Nation::seeded(1, 1_000), Nation::seeded(2, 1_000));
    let bucket = seen.path("bucket");
    let publish = |nation: &Nation, flags: &[&str]| {
        nation.run("publish", &[flags, &["--bucket", bucket.to_str().unwrap()]].concat()).succeeded();
        seen.manifest(*seen.releases().last().unwrap())["not_before"].clone()
    };
    let hour = in_an_hour().to_string();
    assert_eq!(publish(&seen, &[]), Value::Null);
    assert_eq!(publish(&staged, &["--not-before", &hour]), json!(hour));
    // What was seen is not hidden by the hour of what was staged, neither rolled back to nor published.
    seen.run("publish", &["rollback", "1"]).succeeded();
    assert_eq!(seen.manifest(3)["not_before"], Value::Null);
    assert_eq!(publish(&seen, &[]), Value::Null);
    // And what was staged is not shown because other results were shown meanwhile.
    assert_eq!(publish(&staged, &[]), json!(hour));
    all_are_whole(&seen);
}

#[test]
fn a_blob_that_the_store_has_lost_is_made_again() {
    let nation = Nation::published();
    let shards = nation.shards(1);
    fs::remove_file(nation.bucket().join(&shards[&1])).unwrap();
    fs::write(nation.bucket().join(&shards[&2]), "cut").unwrap();
    nation.correct(2_500);
    let publish = nation.run("publish", &[]);
    assert!(
        publish.stderr.contains("the store has lost blobs of the current release; making them again blobs=2"),
        "{publish:?}"
    );
    assert!(publish.succeeded().starts_with("release 2: 3000 students in 4 shards; 2 shards uploaded"));
    nation.verify();
    assert!(nation.publish().contains("is up to date"));
    let server = nation.serve_static().serving(2);
    for id in [1_500, 2_500] {
        server.serves(id, &nation.document(id));
    }
}
