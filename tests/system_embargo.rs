//! Proves that before its hour a release is nobody's, on any route, and that at the hour the clock alone opens it, on
//! every server, once and for all.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::{fs, path::Path, thread, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use system::{Answer, Nation, Server, eventually, put_manifest, within};

const HIT: &str = "results-day;hit";
const DATABASE: [&str; 2] = ["--database", "sqlite:results.db"];

/// How long after the hour the first result may come: the clock is looked at every 20 ms, and the machine has other
/// tests to run.
const LATE: Duration = Duration::from_millis(500);

fn in_seconds(seconds: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(seconds)
}

/// Gives a release that nobody has read yet an hour.
fn embargo(bucket: &Path, number: u64, hour: Timestamp) {
    let path = bucket.join(format!("releases/{number:020}.json"));
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["not_before"] = hour.to_string().into();
    put_manifest(bucket, number, &manifest);
}

/// Commits the release once more, with another hour.
fn moved(nation: &Nation, from: u64, hour: Option<Timestamp>) {
    let mut manifest = nation.manifest(from);
    manifest["number"] = (from + 1).into();
    manifest["parent"] = from.into();
    manifest["not_before"] = hour.map(|hour| hour.to_string()).into();
    nation.put_manifest(from + 1, &manifest);
}

/// A nation whose first release has this hour.
fn published_for(hour: Timestamp) -> Nation {
    let nation = Nation::seeded(1, 3_000);
    nation.run("publish", &["--not-before", &hour.to_string()]).succeeded();
    nation.verify();
    nation
}

#[track_caller]
fn is_hidden(answer: &Answer, hour: Timestamp) {
    assert_eq!((answer.status, &*answer.problem()), (503, "embargoed"), "{answer:?}");
    assert_eq!(answer.json()["detail"], format!("nobody can see a result before {hour}"));
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{answer:?}");
}

/// Asks until a result is shown, and checks that none was before the hour. How long after it the first one came.
fn opens_at(server: &Server, hour: Timestamp, id: u32, document: &[u8]) -> Duration {
    let mut client = server.client();
    let target = format!("/student/{id}.json");
    within(Duration::from_secs(20), "the hour comes", || {
        let answer = client.get(&target);
        let now = Timestamp::now();
        if answer.status == 503 {
            is_hidden(&answer, hour);
            return None;
        }
        assert!(now >= hour, "{answer:?} at {now}, before {hour}");
        assert_eq!((answer.status, answer.header("cache-status")), (200, Some(HIT)), "{answer:?}");
        assert_eq!(answer.body, document);
        Some(now.duration_since(hour).unsigned_abs())
    })
}

fn passes(hour: Timestamp) {
    eventually("the hour passes", || (Timestamp::now() > hour).then_some(()));
}

fn visible(server: &Server) -> bool {
    server.get("/release.json").json()["visible"].as_bool().unwrap()
}

/// All of an answer that a cache or a person could tell from another.
fn told(answer: &Answer) -> (u16, Vec<(String, String)>, Vec<u8>) {
    (answer.status, answer.lasting_headers(), answer.body.clone())
}

#[test]
fn before_the_hour_every_answer_is_the_same_whoever_is_asked_for() {
    let hour = in_seconds(3_600);
    let nation = Nation::published();
    let tag = nation.serve_static().serving(1).student(7).header("etag").unwrap().to_owned();
    embargo(&nation.bucket(), 1, hour);
    fs::remove_dir_all(nation.path("cache")).unwrap();
    let servers =
        [nation.serve_with(&DATABASE).serving(1), nation.serve_with(&["--cache-dir", "static"]).serving(1)];
    // Changed, withheld, renumbered and new.
    nation.correct(9);
    nation.edit("DELETE FROM students WHERE id = 30", []);
    nation.edit("UPDATE students SET id = 900000 WHERE id = 40", []);
    eventually("the changes are known", || {
        let changes = &servers[0].get("/release.json").json()["changes"];
        (changes["since_release"] == 4).then_some(())
    });
    let etag: &str = &tag;
    let requests: [&[(&str, &str)]; 8] = [
        &[],
        &[("accept-encoding", "zstd")],
        &[("accept-encoding", "gzip")],
        &[("accept-encoding", "identity;q=0, zstd;q=0")],
        &[("if-none-match", "*")],
        &[("if-none-match", etag), ("accept-encoding", "identity")],
        &[("if-modified-since", "Tue, 01 Jan 2030 00:00:00 GMT")],
        &[("range", "bytes=0-9"), ("origin", "https://school.example")],
    ];
    for server in &servers {
        let mut client = server.client();
        for method in ["GET", "HEAD"] {
            let mut answers = Vec::new();
            for headers in requests {
                for id in [7, 9, 30, 40, 900_000, 3_001, 999_999_999] {
                    for target in [format!("/student/{id}.json"), format!("/student/{id}")] {
                        answers.push(told(&client.ask(method, &target, headers)));
                    }
                }
            }
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{method}: {answers:?}");
            assert_eq!(answers[0].0, 503);
        }
        is_hidden(&client.get("/student/7.json"), hour);
        assert_eq!(client.get("/student/7.json").header("retry-after"), Some("60"));
        for method in ["POST", "OPTIONS"] {
            let of = |client: &mut system::Client, id: u32| {
                told(&client.ask(method, &format!("/student/{id}.json"), &[("content-length", "0")]))
            };
            assert_eq!(of(&mut client, 7), of(&mut client, 3_001), "{method}");
        }
        assert_eq!(client.get("/student/07.json").problem(), "invalid-student-id");
        let status = client.get("/release.json").json();
        assert_eq!((&status["release"], &status["visible"]), (&1.into(), &false.into()));
        assert_eq!((&status["not_before"], &status["clock"]), (&hour.to_string().into(), &"steady".into()));
        let readiness = server.readiness();
        let text = format!("ready; the release is loaded and hidden until {hour}\n");
        assert_eq!((readiness.status, String::from_utf8(readiness.body).unwrap()), (200, text));
        assert_eq!(opened(&nation.path("cache")), None);
    }
}

#[test]
fn at_the_hour_every_server_opens_by_the_clock_with_store_and_database_away() {
    let hour = in_seconds(5);
    let nation = published_for(hour);
    nation.correct(9);
    let servers: Vec<_> = ["one", "two", "three"]
        .iter()
        .map(|cache| {
            let mut flags = vec!["--cache-dir", cache];
            if *cache != "three" {
                flags.extend(DATABASE);
            }
            nation.serve_with(&flags).serving(1)
        })
        .collect();
    let documents = nation.documents([7, 2_900]);
    assert!(Timestamp::now() < hour, "the servers were too slow for this test");
    fs::rename(nation.bucket(), nation.path("bucket.away")).unwrap();
    nation.take_database_away();
    let late: Vec<_> = thread::scope(|scope| {
        let waiting: Vec<_> =
            servers.iter().map(|server| scope.spawn(|| opens_at(server, hour, 7, &documents[&7]))).collect();
        waiting.into_iter().map(|waiting| waiting.join().unwrap()).collect()
    });
    println!("the first result came {late:?} after the hour");
    assert!(late.iter().all(|late| *late < LATE), "{late:?}");
    for server in &servers {
        assert_eq!(server.serves(2_900, &documents[&2_900]), HIT);
        assert!(visible(server));
        assert_eq!(server.readiness().body, b"ready\n");
    }
    assert_eq!(servers[0].student(9).problem(), "live-unavailable");
    let data_set = nation_data_set(&nation);
    for cache in ["one", "two", "three"] {
        let opened = eventually("that it is open is written down", || opened(&nation.path(cache)));
        assert_eq!(opened, data_set);
    }
}

/// What a server has written down for the next one beside its copy of the release.
fn remembered(cache: &Path) -> Option<Value> {
    let json = fs::read(cache.join("embargo.json")).ok()?;
    Some(serde_json::from_slice(&json).unwrap())
}

/// The data set that a server has last written down as opened.
fn opened(cache: &Path) -> Option<String> {
    Some(remembered(cache)?["opened"].as_array().unwrap().last()?.as_str().unwrap().to_owned())
}

#[test]
fn a_clock_that_was_set_forward_while_no_server_ran_opens_nothing() {
    let hour = in_seconds(6);
    let nation = published_for(hour);
    let cache = nation.path("cache");
    let mut server = nation.serve().serving(1);
    let mut record = eventually("since when it waits is written down", || {
        remembered(&cache).filter(|record| record["held_back"].is_object())
    });
    // Whoever takes it away takes nothing away.
    fs::remove_file(cache.join("embargo.json")).unwrap();
    eventually("it is written down again", || remembered(&cache).filter(|again| *again == record));
    server.kill();
    // The same as a wall clock that was set forward by an hour: it was an hour less when the wait began.
    let since = &mut record["held_back"]["wall"];
    let earlier = since.as_str().unwrap().parse::<Timestamp>().unwrap() - SignedDuration::from_secs(3_600);
    *since = earlier.to_string().into();
    fs::write(cache.join("embargo.json"), record.to_string()).unwrap();
    let mut server = server.start_again().serving(1);
    // That is told before the hour.
    assert_eq!(server.get("/release.json").json()["clock"], "jumped");
    passes(hour);
    for restart in [true, false] {
        server.logs("the clock was set forward since these results were first held back");
        is_hidden(&server.student(7), hour);
        assert_eq!(server.get("/release.json").json()["clock"], "jumped");
        if restart {
            server = server.restart().serving(1);
        }
    }
    // Whoever knows that the clock is right says so.
    drop(server);
    fs::remove_file(cache.join("embargo.json")).unwrap();
    let server = nation.serve().serving(1);
    assert_eq!(server.serves(7, &nation.document(7)), HIT);
}

/// The bucket is away, so the cached manifest says it.
fn nation_data_set(nation: &Nation) -> String {
    let manifest: Value =
        serde_json::from_slice(&fs::read(nation.path("one/manifest.json")).unwrap()).unwrap();
    manifest["source"]["data_set"].as_str().unwrap().to_owned()
}

#[test]
fn a_server_restarted_before_the_hour_without_store_or_database_opens_at_it() {
    let hour = in_seconds(4);
    let nation = published_for(hour);
    let document = nation.document(7);
    let mut server = nation.serve().serving(1);
    server.kill();
    fs::rename(nation.bucket(), nation.path("bucket.away")).unwrap();
    nation.take_database_away();
    let server = server.start_again();
    assert!(Timestamp::now() < hour, "the server was too slow for this test");
    is_hidden(&server.student(7), hour);
    assert_eq!(server.readiness().status, 200);
    let late = opens_at(&server, hour, 7, &document);
    assert!(late < LATE, "{late:?}");
}

#[test]
fn what_was_opened_is_hidden_again_neither_by_a_restart_nor_by_a_later_hour() {
    let hour = in_seconds(3);
    let nation = published_for(hour);
    let document = nation.document(7);
    let server = nation.serve().serving(1);
    opens_at(&server, hour, 7, &document);
    eventually("that it is open is written down", || opened(&nation.path("cache")));
    let later = in_seconds(3_600);
    moved(&nation, 1, Some(later));
    server.switched_to(2);
    assert_eq!(server.serves(7, &document), HIT);
    assert_eq!(server.get("/release.json").json()["not_before"], later.to_string());
    let server = server.restart();
    assert_eq!(server.serves(7, &document), HIT);
    // A server that never opened it takes the release at its word.
    let stranger = nation.serve_with(&["--cache-dir", "other"]).serving(2);
    is_hidden(&stranger.student(7), later);
    // And so does this one, when what was written down is gone.
    drop(server);
    fs::remove_file(nation.path("cache/embargo.json")).unwrap();
    let server = nation.serve().serving(2);
    is_hidden(&server.student(7), later);
}

#[test]
fn a_release_without_an_hour_opens_its_data_set_too() {
    let nation = Nation::published();
    let document = nation.document(7);
    let server = nation.serve_static().serving(1);
    eventually("that it is open is written down", || opened(&nation.path("cache")));
    moved(&nation, 1, Some(in_seconds(3_600)));
    server.switched_to(2);
    assert_eq!(server.serves(7, &document), HIT);
    assert_eq!(server.restart().serves(7, &document), HIT);
}

#[test]
fn a_later_release_moves_the_hour_while_nothing_was_opened() {
    // Earlier.
    let nation = published_for(in_seconds(3_600));
    let server = nation.serve().serving(1);
    let hour = in_seconds(3);
    moved(&nation, 1, Some(hour));
    server.switched_to(2);
    assert!(opens_at(&server, hour, 7, &nation.document(7)) < LATE);
    // Later, and then to none at all.
    let hour = in_seconds(3);
    let nation = published_for(hour);
    let server = nation.serve().serving(1);
    let later = in_seconds(3_600);
    moved(&nation, 1, Some(later));
    server.switched_to(2);
    passes(hour);
    is_hidden(&server.student(7), later);
    let server = server.restart();
    is_hidden(&server.student(7), later);
    moved(&nation, 2, None);
    server.switched_to(3);
    assert_eq!(server.serves(7, &nation.document(7)), HIT);
}

#[test]
fn an_hour_that_was_put_off_while_no_server_ran_is_not_believed_for_a_moment() {
    let hour = in_seconds(2);
    let nation = published_for(hour);
    let mut server = nation.serve().serving(1);
    server.kill();
    let later = in_seconds(3_600);
    moved(&nation, 1, Some(later));
    passes(hour);
    let server = server.start_again();
    is_hidden(&server.student(7), later);
    server.switched_to(2);
    is_hidden(&server.student(7), later);
}

#[test]
fn an_hour_that_is_put_off_by_seeding_anew_is_believed_before_the_results_are_there() {
    let hour = in_seconds(3);
    let nation = published_for(hour);
    let server = nation.serve_static().serving(1);
    // The release of what was seeded anew, of whose blobs none can be read yet.
    let later = in_seconds(3_600);
    let mut manifest = nation.manifest(1);
    manifest["number"] = 2.into();
    manifest["parent"] = 1.into();
    manifest["not_before"] = later.to_string().into();
    manifest["source"]["data_set"] = "seeded anew".into();
    for shard in manifest["shards"].as_array_mut().unwrap() {
        let key = shard["key"].as_str().unwrap().to_owned();
        let (place, _) = key.rsplit_once('/').unwrap();
        shard["key"] = format!("{place}/{}-0000000000000001.json.zst", "0".repeat(64)).into();
    }
    nation.put_manifest(2, &manifest);
    eventually("the server knows of it", || {
        (server.get("/release.json").json()["not_before"] == later.to_string()).then_some(())
    });
    passes(hour);
    is_hidden(&server.student(7), later);
    is_hidden(&server.restart().student(7), later);
}

#[test]
fn the_embargo_of_the_next_data_set_hides_the_one_before_it() {
    let nation = Nation::published();
    let next = Nation::seeded(2, 2_000);
    let server = nation.serve_static().serving(1);
    assert_eq!(server.serves(2_500, &nation.document(2_500)), HIT);
    eventually("that it is open is written down", || opened(&nation.path("cache")));
    // Published beside, so that the server does not see the release before it has its hour.
    let hour = in_seconds(6);
    let beside = nation.path("beside");
    copy(&nation.bucket(), &beside);
    next.run("publish", &["--bucket", beside.to_str().unwrap()]).succeeded();
    embargo(&beside, 2, hour);
    let manifest = format!("releases/{:020}.json", 2);
    fs::rename(beside.join(&manifest), nation.path("manifest")).unwrap();
    copy(&beside, &nation.bucket());
    fs::rename(nation.path("manifest"), nation.bucket().join(manifest)).unwrap();
    server.switched_to(2);
    assert!(Timestamp::now() < hour, "the server was too slow for this test");
    for id in [7, 2_500, 3_001] {
        is_hidden(&server.student(id), hour);
    }
    let server = server.restart();
    is_hidden(&server.student(2_500), hour);
    opens_at(&server, hour, 7, &next.document(7));
    assert_eq!(server.student(2_500).problem(), "unknown-student");
}

fn copy(from: &Path, to: &Path) {
    for (path, (_, bytes)) in system::files(from) {
        let place = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, bytes).unwrap();
    }
}
