//! Proves that a server without its database goes on answering for everybody unchanged, never gives
//! superseded marks for the others, even across restarts, and heals by itself.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use system::{Answer, Nation, Server, eventually};

const HIT: &str = "results-day;hit";

/// A nation with a release, student 9 corrected since and known to the server, and nobody looked at yet.
fn corrected() -> (Nation, Server) {
    let nation = Nation::published();
    let server = nation.serve().serving(1);
    nation.correct(9);
    knows_changes(&server, 1);
    (nation, server)
}

fn knows_changes(server: &Server, count: u64) {
    eventually("the correction is known", || {
        (server.get("/release.json").json()["changes"]["since_release"] == count).then_some(())
    });
}

#[track_caller]
fn is_being_corrected(answer: &Answer) {
    assert_eq!((answer.status, &*answer.problem()), (503, "live-unavailable"), "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("5"));
}

/// Waits until the server answers for this student what the database holds.
fn until_healed(nation: &Nation, server: &Server, id: u32) {
    let document = nation.document(id);
    eventually("the new marks are served", || (server.student(id).body == document).then_some(()));
}

#[test]
fn without_the_database_the_unchanged_are_served_and_the_changed_are_not() {
    let (nation, server) = corrected();
    let others = nation.documents((1..=3_000).step_by(7));
    nation.take_database_away();
    for (id, document) in others.iter().filter(|(id, _)| **id != 9) {
        assert_eq!(server.serves(*id, document), HIT);
    }
    for target in ["/student/9.json", "/student/9", "/student/7"] {
        is_being_corrected(&server.get(target));
    }
    assert_eq!(server.readiness().status, 200);
    let age = || server.get("/release.json").json()["changes"]["age_seconds"].as_f64().unwrap();
    let before = age();
    eventually("the knowledge grows old", || (age() > before + 0.2).then_some(()));
    nation.bring_database_back();
    until_healed(&nation, &server, 9);
    eventually("the knowledge is fresh", || (age() < 0.2).then_some(()));
}

#[test]
fn what_was_looked_at_since_its_correction_is_served_from_the_cache() {
    let (nation, server) = corrected();
    let document = nation.document(9);
    server.serves(9, &document);
    nation.take_database_away();
    for _ in 0..3 {
        assert_eq!(server.serves(9, &document), "results-day;fwd=stale;detail=cache");
    }
    nation.bring_database_back();
    // The document in the cache is that of another standing now.
    nation.correct(9);
    until_healed(&nation, &server, 9);
}

#[test]
fn a_server_restarted_without_its_database_forgets_no_correction() {
    let (nation, mut server) = corrected();
    let unchanged = nation.document(7);
    nation.take_database_away();
    for restart in ["killed", "stopped", "killed again"] {
        if restart == "stopped" {
            assert!(server.stop().success());
        } else {
            server.kill();
        }
        server = server.start_again().ready();
        for _ in 0..5 {
            is_being_corrected(&server.student(9));
            assert_eq!(server.serves(7, &unchanged), HIT, "after it was {restart}");
        }
        let changes = &server.get("/release.json").json()["changes"];
        assert_eq!(
            (&changes["since_release"], &changes["age_seconds"]),
            (&1.into(), &serde_json::Value::Null)
        );
    }
    nation.bring_database_back();
    until_healed(&nation, &server, 9);
    nation.publish();
    server.switched_to(2);
    assert_eq!(server.serves(9, &nation.document(9)), HIT);
}

#[test]
fn a_server_killed_right_after_it_showed_a_correction_never_takes_it_back() {
    let nation = Nation::published();
    let mut server = nation.serve().serving(1);
    let old = nation.documents(1..=12);
    for id in 1..=12 {
        nation.correct(id);
        until_healed(&nation, &server, id);
        server.kill();
        nation.take_database_away();
        server = server.start_again().ready();
        for id in 1..=id {
            let answer = server.student(id);
            assert_ne!(answer.body, old[&id], "student {id} has the old marks again");
            is_being_corrected(&answer);
        }
        nation.bring_database_back();
        until_healed(&nation, &server, id);
    }
}

#[test]
fn corrections_made_while_a_server_is_down_are_known_before_they_matter() {
    let (nation, mut server) = corrected();
    server.kill();
    for id in 20..=30 {
        nation.correct(id);
    }
    let server = server.start_again().serving(1);
    for id in 20..=30 {
        server.serves(id, &nation.document(id));
    }
}

#[test]
fn a_server_that_never_heard_its_database_calls_nobody_unchanged() {
    let nation = Nation::published();
    nation.take_database_away();
    let server = nation.serve();
    server.logs("serving a release");
    for target in ["/student/7.json", "/student/7", "/student/999999.json"] {
        let answer = server.get(target);
        assert_eq!((answer.status, &*answer.problem()), (503, "starting"), "{target}");
        assert_eq!(answer.header("retry-after"), Some("5"));
    }
    let readiness = server.readiness();
    assert_eq!(
        (readiness.status, &*readiness.body),
        (503, &b"the database has not been heard from yet\n"[..])
    );
    let changes = &server.get("/release.json").json()["changes"];
    assert_eq!(changes["age_seconds"], serde_json::Value::Null);
    nation.bring_database_back();
    let server = server.ready();
    assert_eq!(server.serves(7, &nation.document(7)), HIT);
}

#[test]
fn a_damaged_or_missing_journal_is_no_knowledge() {
    for damage in ["missing", "emptied", "garbage"] {
        let (nation, mut server) = corrected();
        nation.take_database_away();
        server.kill();
        let journal = nation.path("cache/changes.ndjson");
        match damage {
            "missing" => std::fs::remove_file(&journal).unwrap(),
            "emptied" => std::fs::write(&journal, "").unwrap(),
            _ => std::fs::write(&journal, [0xFF; 100]).unwrap(),
        }
        let server = server.start_again();
        server.logs("serving a release");
        for id in [7, 9] {
            assert_eq!(
                (server.student(id).status, &*server.student(id).problem()),
                (503, "starting"),
                "{damage}"
            );
        }
        assert_eq!(server.readiness().status, 503);
    }
}

#[test]
fn a_server_without_a_database_is_all_release() {
    let nation = Nation::published();
    let server = nation.serve_static().serving(1);
    let published = nation.document(9);
    nation.correct(9);
    assert_eq!(server.serves(9, &published), HIT);
    let live = server.get("/student/9");
    assert_eq!((live.status, &*live.problem()), (404, "no-live-api"));
    assert_eq!(server.get("/student/+9").status, 400);
    assert_eq!(server.get("/student/3001.json").problem(), "unknown-student");
    let status = server.get("/release.json").json();
    assert_eq!((&status["release"], &status["changes"]), (&1.into(), &serde_json::Value::Null));
    nation.publish();
    server.switched_to(2);
    assert_eq!(server.serves(9, &nation.document(9)), HIT);
}
