//! Proves that a server keeps what it has: it starts without the bucket, refuses what is damaged there, and
//! takes a new release without a failed or a mixed answer.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use system::{Instants, Nation, Server, eventually, files};

const HIT: &str = "results-day;hit";

#[test]
fn a_warm_server_starts_without_the_bucket_and_takes_it_up_again_later() {
    let nation = Nation::published();
    let mut server = nation.serve().serving(1);
    assert!(server.stop().success());
    fs::rename(nation.bucket(), nation.path("bucket.away")).unwrap();
    let server = server.start_again();
    // Loaded before the server listens: nobody is told to wait.
    assert_eq!(server.readiness().status, 200);
    for (id, document) in nation.documents((1..=3_000).step_by(13)) {
        assert_eq!(server.serves(id, &document), HIT);
    }
    nation.correct(7);
    let document = nation.document(7);
    eventually("the correction is seen", || (server.student(7).body == document).then_some(()));
    // The empty bucket that the server made in its place gives way.
    fs::remove_dir(nation.bucket()).unwrap();
    fs::rename(nation.path("bucket.away"), nation.bucket()).unwrap();
    nation.publish();
    server.switched_to(2);
    assert_eq!(server.serves(7, &document), HIT);
}

#[test]
fn a_running_server_outlives_the_bucket() {
    let nation = Nation::published();
    let server = nation.serve_static().serving(1);
    fs::remove_dir_all(nation.bucket()).unwrap();
    let documents = nation.documents(nation.ids());
    for _ in 0..2 {
        for (id, document) in documents.iter().step_by(50) {
            assert_eq!(server.serves(*id, document), HIT);
        }
    }
    let server = server.restart();
    assert_eq!(server.serves(7, &documents[&7]), HIT);
}

/// The files of the server's cached shards.
fn cached(nation: &Nation) -> Vec<PathBuf> {
    files(&nation.path("cache/shards")).into_keys().collect()
}

#[test]
fn a_cached_shard_that_was_damaged_is_fetched_again() {
    let nation = Nation::published();
    let mut server = nation.serve_static().serving(1);
    for damage in ["flipped", "cut", "emptied", "gone", "all flipped"] {
        server.stop();
        for path in cached(&nation).into_iter().take(if damage == "all flipped" { 9 } else { 1 }) {
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            match damage {
                "cut" => fs::write(&path, &bytes[..middle]).unwrap(),
                "emptied" => fs::write(&path, "").unwrap(),
                "gone" => fs::remove_file(&path).unwrap(),
                _ => fs::write(&path, bytes).unwrap(),
            }
        }
        server = server.start_again().serving(1);
        assert_eq!(cached(&nation).len(), 4, "{damage}");
        for (id, document) in nation.documents((1..=3_000).step_by(17)) {
            assert_eq!(server.serves(id, &document), HIT, "{damage}");
        }
    }
    // Nor is a manifest worth anything that is damaged.
    server.stop();
    fs::write(nation.path("cache/manifest.json"), "{").unwrap();
    server.start_again().serving(1).serves(7, &nation.document(7));
}

#[test]
fn a_damaged_blob_in_the_bucket_is_refused_and_the_old_release_stays() {
    let nation = Nation::published();
    let mut server = nation.serve().serving(1);
    server.stop();
    let old = nation.document(8);
    nation.correct(7);
    nation.publish();
    let path = nation.bucket().join(&nation.shards(2)[&0]);
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[100] ^= 1;
    fs::write(&path, damaged).unwrap();
    let server = server.start_again().serving(1);
    server.logs("following the releases failed");
    assert!(server.log().contains("does not hold what it should"), "{}", server.log());
    assert_eq!(server.serves(8, &old), HIT);
    assert!(server.serves(7, &nation.document(7)).starts_with("results-day;fwd=stale"));
    fs::write(&path, whole).unwrap();
    server.switched_to(2);
    assert_eq!(server.serves(7, &nation.document(7)), HIT);
}

#[test]
fn a_broken_manifest_is_refused_and_the_old_release_stays() {
    for broken in ["garbage", "wrong number", "unknown field", "newer format", "no shards", "missing blob"] {
        let nation = Nation::published();
        let server = nation.serve_static().serving(1);
        let mut manifest = nation.manifest(1);
        manifest["number"] = 2.into();
        manifest["parent"] = 1.into();
        match broken {
            "wrong number" => manifest["number"] = 3.into(),
            "unknown field" => manifest["secret_before"] = "2030-01-01T00:00:00Z".into(),
            "newer format" => manifest["format"] = 1_000.into(),
            "no shards" => manifest["shards"] = serde_json::json!([]),
            "missing blob" => {
                let key = manifest["shards"][0]["key"].as_str().unwrap().to_owned();
                let (blob, _) = key.split_once('-').unwrap();
                manifest["shards"][0]["key"] = format!("{blob}-0000000000000007.json.zst").into();
                // The same bytes lie in the server's cache under their hash; without them it must go and look.
                fs::remove_file(nation.path("cache").join(blob.replace("/0/", "/"))).unwrap();
            }
            _ => {}
        }
        let json = if broken == "garbage" { "{\"number\":2,".to_owned() } else { manifest.to_string() };
        fs::write(nation.path("new"), json).unwrap();
        fs::rename(nation.path("new"), nation.manifest_path(2)).unwrap();
        server.logs("following the releases failed");
        assert!(server.log().contains("0002.json") || broken == "missing blob", "{broken}: {}", server.log());
        for (id, document) in nation.documents((1..=3_000).step_by(101)) {
            assert_eq!(server.serves(id, &document), HIT, "{broken}");
        }
        assert_eq!(server.readiness().status, 200);
        // The broken one is taken away, and the server takes the next.
        fs::remove_file(nation.manifest_path(2)).unwrap();
        nation.correct(7);
        nation.publish();
        server.switched_to(2);
        assert_eq!(server.serves(7, &nation.document(7)), HIT);
    }
}

#[test]
fn a_new_release_is_taken_without_a_failed_or_a_mixed_answer() {
    let nation = Nation::published();
    let server = nation.serve_static().serving(1);
    let old = nation.documents(nation.ids());
    nation.edit("UPDATE students SET school = 'Renamed School' WHERE id % 3 = 0", []);
    let new = nation.documents(nation.ids());
    let (done, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for reader in 0..4 {
            let (server, old, new, done, asked) = (&server, &old, &new, &done, &asked);
            scope.spawn(move || {
                let mut client = server.client();
                let mut switched = false;
                // Of three students in a row, one is different in the new release.
                let mut last = 4;
                let ids = (0..).map(|place| 1 + (place * 7 + reader * 500) % 3_000);
                for id in ids {
                    if done.load(Ordering::Relaxed) {
                        last -= 1;
                    }
                    if last == 0 {
                        break;
                    }
                    let answer = client.get(&format!("/student/{id}.json"));
                    assert_eq!((answer.status, answer.header("cache-status")), (200, Some(HIT)));
                    assert!(answer.body == old[&id] || answer.body == new[&id], "student {id}: {answer:?}");
                    // Once one student is of the new release, so are all of them.
                    switched |= answer.body != old[&id];
                    assert!(!switched || answer.body == new[&id], "student {id} is of the old release again");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                assert!(switched, "the reader never saw the new release");
            });
        }
        let enough = |count: u64| {
            let before = asked.load(Ordering::Relaxed);
            eventually("the readers read", || (asked.load(Ordering::Relaxed) > before + count).then_some(()));
        };
        enough(200);
        nation.publish();
        server.switched_to(2);
        enough(200);
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_release_that_was_collected_before_it_was_seen_is_passed_over() {
    let nation = Nation::published();
    let server = nation.serve_static().serving(1);
    let mut manifest = nation.manifest(1);
    manifest["number"] = 3.into();
    manifest["parent"] = 2.into();
    manifest["oldest"] = 3.into();
    nation.put_manifest(3, &manifest);
    // It appears last: releases are looked for one number after the other.
    let tombstone = r#"{"format":1,"number":2,"collected":"2026-07-01T06:00:00Z"}"#;
    fs::write(nation.path("tombstone"), tombstone).unwrap();
    fs::rename(nation.path("tombstone"), nation.manifest_path(2)).unwrap();
    server.switched_to(3);
    assert_eq!(server.serves(7, &nation.document(7)), HIT);
}

#[test]
fn only_the_current_releases_shards_are_kept() {
    let nation = Nation::published();
    let server = nation.serve_static().serving(1);
    for release in 2..=4 {
        nation.correct(7);
        nation.publish();
        server.switched_to(release);
        eventually("old shards are gone", || (cached(&nation).len() == 4).then_some(()));
    }
}

#[test]
fn a_server_killed_at_any_instant_starts_again() {
    let nation = Nation::published();
    let flags = ["--database", "sqlite:results.db"];
    let mut instants = Instants(11);
    for round in 0..25 {
        if round % 5 == 0 {
            // The cold start.
            let _first = fs::remove_dir_all(nation.path("cache"));
        }
        let mut server = Server::start_blindly(&nation.path(""), &flags);
        if round % 2 == 1 {
            // The switch: every shard is new.
            nation.edit("UPDATE students SET name = name || '+' WHERE id % 500 = 0", []);
            nation.run("publish", &[]).succeeded();
            instants.pass(Duration::from_millis(400));
        } else {
            instants.pass(Duration::from_millis(80));
        }
        server.kill();
    }
    nation.verify();
    let server = nation.serve().serving(nation.releases().len() as u64);
    for (id, document) in nation.documents((10..=3_000).step_by(10)) {
        assert_eq!(server.serves(id, &document), HIT);
    }
    assert_eq!(cached(&nation).len(), 4, "what was half written is gone");
}
