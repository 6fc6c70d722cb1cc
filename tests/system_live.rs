//! Proves that a correction is seen at once, whatever kind it is, that nothing else is, and that the next
//! release takes over with the same bytes and entity tags.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::time::{Duration, Instant};

use system::{Nation, Server, eventually, within};

const FROM_DATABASE: &str = "results-day;fwd=stale;detail=database";
const FROM_CACHE: &str = "results-day;fwd=stale;detail=cache";
const HIT: &str = "results-day;hit";

/// What a correction may take to be seen, several times the 20 ms between two polls: the machine has other
/// tests to run.
const LATENCY: Duration = Duration::from_millis(500);

/// How long it takes until this student is answered so, from now on.
#[track_caller]
fn until_answered(server: &Server, id: u32, expected: Option<&[u8]>) -> Duration {
    let started = Instant::now();
    let mut client = server.client();
    let target = format!("/student/{id}.json");
    within(Duration::from_secs(5), "the correction is seen", || {
        let answer = client.get(&target);
        match expected {
            Some(document) => (answer.status == 200 && answer.body == document).then_some(()),
            None => (answer.status == 404).then(|| assert_eq!(answer.problem(), "unknown-student")),
        }
    });
    started.elapsed()
}

/// Waits until the server answers for all of these students what the database holds now.
fn until_all_answered(nation: &Nation, server: &Server, ids: impl IntoIterator<Item = u32>) {
    for id in ids {
        let took = until_answered(server, id, nation.expected(id).as_deref());
        assert!(took < LATENCY, "student {id} took {took:?}");
    }
}

#[test]
fn a_correction_is_seen_within_a_moment_of_its_commit() {
    let nation = Nation::published();
    let server = nation.serve().serving(1);
    let database = nation.connect();
    let mut took: Vec<_> = (1..=30)
        .map(|id| {
            database.execute("UPDATE students SET name = 'Corrected' WHERE id = ?", [id]).unwrap();
            let committed = Instant::now();
            until_answered(&server, id, Some(&nation.document(id)));
            committed.elapsed()
        })
        .collect();
    took.sort();
    println!("a correction is seen after {:?} in the median, {:?} at worst", took[15], took[29]);
    assert!(took[15] < Duration::from_millis(100), "{took:?}");
    assert!(took[29] < LATENCY, "{took:?}");
}

const RESULTS: [&str; 2] = ["natural_science_results", "social_science_results"];

/// Gives marks to a student who has none, in both streams: the student's own stream says which of them count.
fn give_marks(nation: &Nation, id: u32) {
    for table in RESULTS {
        nation.edit(&format!("INSERT INTO {table} VALUES (?, 11, 22, 33, 44, 55, 66, 77)"), [id]);
    }
}

#[test]
fn every_kind_of_edit_is_seen() {
    let nation = Nation::published();
    let server = nation.serve().serving(1);
    // Marks and names, one at a time and both.
    nation.edit("UPDATE natural_science_results SET physics = 100 - physics WHERE student_id <= 20", []);
    nation.edit("UPDATE social_science_results SET history = 100 - history WHERE student_id <= 20", []);
    nation.edit("UPDATE students SET name = 'Ñandú \"the\" \\ Ábebe ት' WHERE id = 3", []);
    until_all_answered(&nation, &server, 1..=20);
    // A student leaves, and the id comes back as somebody else's, first without marks and then with them.
    let newcomer =
        "INSERT INTO students SELECT ?, 'New', sex, school, region, stream FROM students WHERE id = 31";
    nation.edit("DELETE FROM students WHERE id = 30", []);
    until_all_answered(&nation, &server, [30]);
    nation.edit(newcomer, [30]);
    until_all_answered(&nation, &server, [30]);
    assert!(nation.expected(30).is_none());
    give_marks(&nation, 30);
    until_all_answered(&nation, &server, [30]);
    assert!(nation.expected(30).is_some());
    // One is added beyond all the others.
    nation.edit(newcomer, [900_000]);
    give_marks(&nation, 900_000);
    until_all_answered(&nation, &server, [900_000]);
    assert!(nation.expected(900_000).is_some());
    // An id is changed: the old one is gone, the new one is there, and so where it was somebody else's.
    nation.edit("UPDATE students SET id = 800000 WHERE id = 40", []);
    until_all_answered(&nation, &server, [40, 800_000]);
    assert!(nation.expected(40).is_none() && nation.expected(800_000).is_some());
    nation.edit("UPDATE OR REPLACE students SET id = 51 WHERE id = 52", []);
    until_all_answered(&nation, &server, [51, 52]);
    assert!(nation.expected(52).is_none() && nation.expected(51).is_some());
    // A result is withheld, and released again.
    for table in RESULTS {
        nation.edit(
            &format!("CREATE TABLE withheld_{table} AS SELECT * FROM {table} WHERE student_id = 50"),
            [],
        );
        nation.edit(&format!("DELETE FROM {table} WHERE student_id = 50"), []);
    }
    until_all_answered(&nation, &server, [50]);
    assert!(nation.expected(50).is_none());
    for table in RESULTS {
        nation.edit(&format!("INSERT INTO {table} SELECT * FROM withheld_{table}"), []);
    }
    until_all_answered(&nation, &server, [50]);
    assert!(nation.expected(50).is_some());
    // Nobody else has noticed anything, and the next release has it all.
    assert_eq!(server.serves(60, &nation.document(60)), HIT);
    assert_eq!(server.get("/release.json").json()["changes"]["since_release"], 27);
    assert!(nation.publish().starts_with("release 2"));
    server.switched_to(2);
    until_all_answered(&nation, &server, (1..=60).chain([800_000, 900_000]));
    assert_eq!(server.get("/release.json").json()["changes"]["since_release"], 0);
}

#[test]
fn a_change_of_stream_is_seen_with_the_marks_of_the_new_one() {
    let nation = Nation::published();
    let server = nation.serve().serving(1);
    let natural = "SELECT min(id) FROM students WHERE stream = 'natural_science'";
    let natural: u32 = nation.connect().query_row(natural, [], |row| row.get(0)).unwrap();
    // In two steps: between them the student has no marks in the stream, and so no result.
    nation.edit("UPDATE students SET stream = 'social_science' WHERE id = ?", [natural]);
    assert!(nation.expected(natural).is_none());
    until_all_answered(&nation, &server, [natural]);
    nation.edit("INSERT INTO social_science_results VALUES (?, 1, 2, 3, 4, 5, 6, 100)", [natural]);
    until_all_answered(&nation, &server, [natural]);
    assert!(String::from_utf8(nation.document(natural)).unwrap().contains("\"economics\":100"));
}

#[test]
fn renaming_a_school_is_seen_by_all_of_its_students_and_by_nobody_else() {
    let nation = Nation::published();
    let server = nation.serve().serving(1);
    let renamed =
        nation.edit("UPDATE students SET school = 'Renamed School' WHERE id BETWEEN 1001 AND 1500", []);
    assert_eq!(renamed, 500);
    until_all_answered(&nation, &server, [1_001, 1_500]);
    for (id, document) in nation.documents(900..=1_600) {
        let cache_status = server.serves(id, &document);
        assert_eq!(cache_status == HIT, !(1_001..=1_500).contains(&id), "{id}: {cache_status}");
    }
    assert_eq!(server.get("/release.json").json()["changes"]["since_release"], 500);
}

#[test]
fn an_edit_that_was_rolled_back_changes_nothing() {
    let nation = Nation::published();
    let server = nation.serve().serving(1);
    let mut database = nation.connect();
    let before = nation.document(7);
    let transaction = database.transaction().unwrap();
    transaction.execute("UPDATE students SET name = 'Nobody' WHERE id = 7", []).unwrap();
    assert_eq!(server.serves(7, &before), HIT);
    transaction.rollback().unwrap();
    // What is committed after it is seen, so by then the other would have been.
    nation.correct(8);
    until_all_answered(&nation, &server, [8]);
    assert_eq!(server.serves(7, &before), HIT);
    assert_eq!(server.get("/release.json").json()["changes"]["since_release"], 1);
}

#[test]
fn the_next_release_takes_over_with_the_same_entity_tags() {
    let nation = Nation::published();
    let server = nation.serve().serving(1);
    nation.edit("UPDATE students SET school = 'Renamed School' WHERE id <= 300", []);
    until_all_answered(&nation, &server, [1, 300]);
    let answers = |origin: &str| -> Vec<_> {
        (1..=300)
            .flat_map(|id| ["identity", "gzip", "zstd"].map(|coding| (id, coding)))
            .map(|(id, coding)| {
                let target = format!("/student/{id}.json");
                let answer = server.client().ask("GET", &target, &[("accept-encoding", coding)]);
                assert!(answer.header("cache-status").unwrap().starts_with(origin), "{answer:?}");
                (answer.header("etag").unwrap().to_owned(), answer.body)
            })
            .collect()
    };
    let live = answers("results-day;fwd=stale");
    nation.publish();
    server.switched_to(2);
    assert!(answers(HIT) == live, "the release differs from what was live");
    let again = [("if-none-match", live[0].0.as_str())];
    assert_eq!(server.client().ask("GET", "/student/1.json", &again).status, 304);
}

#[test]
fn a_corrected_student_is_read_from_the_database_once_for_each_correction() {
    let nation = Nation::published();
    let server = nation.serve().serving(1);
    for _ in 0..3 {
        nation.correct(7);
        until_all_answered(&nation, &server, [7]);
        assert_eq!(server.serves(7, &nation.document(7)), FROM_CACHE);
        assert_eq!(server.serves(7, &nation.document(7)), FROM_CACHE);
    }
    nation.edit("DELETE FROM students WHERE id = 7", []);
    until_all_answered(&nation, &server, [7]);
    let server = server.restart().serving(1);
    nation.correct(9);
    within(Duration::from_secs(5), "the correction is seen", || {
        (server.get("/release.json").json()["changes"]["since_release"] == 2).then_some(())
    });
    assert_eq!(server.serves(9, &nation.document(9)), FROM_DATABASE);
    assert_eq!(server.serves(9, &nation.document(9)), FROM_CACHE);
}

#[test]
fn that_somebody_is_not_there_is_kept_of_those_only_who_were_deleted() {
    let nation = Nation::published();
    let server = nation.serve().serving(1);
    nation.edit("DELETE FROM students WHERE id = 9", []);
    eventually("the deletion is known", || {
        (server.get("/release.json").json()["changes"]["since_release"] == 1).then_some(())
    });
    let hits = || server.metrics().value("serve_live_cache_total{result=\"hit\"}");
    for (path, hits_then) in [("/student/999999", 0.0), ("/student/9", 1.0)] {
        for _ in 0..2 {
            assert_eq!(server.get(path).problem(), "unknown-student", "{path}");
        }
        assert_eq!(hits(), hits_then, "{path}");
    }
}
