//! Proves that a server notices when its database is another one, or an older state of the same one, and then
//! calls nobody unchanged whom it cannot vouch for.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::{fs, path::Path, time::Duration};

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use system::{Nation, Server, eventually, within};

const HIT: &str = "results-day;hit";

/// Puts a whole database file in the place of the nation's, as an administrator would who restores a backup.
fn replace_database(nation: &Nation, with: &Path) {
    nation.take_database_away();
    fs::copy(with, nation.path("results.db.new")).unwrap();
    fs::rename(nation.path("results.db.new"), nation.path("results.db")).unwrap();
}

/// A backup of the database as it is now, in one file.
fn back_up(nation: &Nation, name: &str) -> std::path::PathBuf {
    let path = nation.path(name);
    nation.edit("VACUUM INTO ?", [path.to_str().unwrap()]);
    path
}

fn everybody_is_live(server: &Server) {
    eventually("everybody is answered live", || {
        (server.get("/release.json").json()["changes"]["everybody"] == true).then_some(())
    });
}

/// Everybody is answered what the database holds, and nobody from the release.
fn all_come_from_the_database(nation: &Nation, server: &Server) {
    for (id, document) in nation.documents((1..=3_000).step_by(37).chain(1..=20)) {
        let cache_status = server.serves(id, &document);
        assert!(cache_status.starts_with("results-day;fwd=stale"), "{id}: {cache_status}");
    }
}

/// Nobody is answered, on either URL, whoever is asked for.
fn nobody_is_answered(server: &Server) {
    for id in (1..=3_000).step_by(97).chain([2_500, 3_001, 999_999_999]) {
        for target in [format!("/student/{id}.json"), format!("/student/{id}")] {
            for method in ["GET", "HEAD"] {
                let answer = server.client().ask(method, &target, &[("if-none-match", "*")]);
                assert_eq!(
                    (answer.status, answer.header("retry-after")),
                    (503, Some("10")),
                    "{method} {target}"
                );
                assert_eq!(answer.header("cache-control"), Some("no-store"), "{method} {target}");
                if method == "GET" {
                    assert_eq!(answer.problem(), "other-data-set", "{target}");
                }
            }
        }
    }
    let changes = &server.get("/release.json").json()["changes"];
    assert_eq!((&changes["other_data_set"], &changes["everybody"]), (&true.into(), &false.into()));
    let readiness = server.readiness();
    assert_eq!(
        (readiness.status, &*readiness.body),
        (503, &b"the database holds another data set than the release\n"[..])
    );
}

fn another_data_set_is_noticed(server: &Server) {
    eventually("another data set is noticed", || {
        (server.get("/release.json").json()["changes"]["other_data_set"] == true).then_some(())
    });
}

#[test]
fn a_rollback_to_before_a_backup_was_restored_brings_no_superseded_mark_back() {
    let nation = Nation::published();
    let backup = back_up(&nation, "backup.db");
    nation.correct(7);
    nation.publish();
    let server = nation.serve().serving(2);
    // Release 2 is of a state that the database does not have any more.
    replace_database(&nation, &backup);
    everybody_is_live(&server);
    nation.correct(8);
    nation.publish();
    server.switched_to(3);
    assert_eq!(server.serves(8, &nation.document(8)), HIT);
    nation.take_database_away();
    eventually("the server has noticed", || {
        server.log().contains("following the changes failed").then_some(())
    });
    nation.run("publish", &["rollback", "2"]).succeeded();
    server.switched_to(4);
    for id in [7, 8, 9] {
        assert_eq!(server.student(id).problem(), "live-unavailable", "{id}");
    }
    let server = server.restart();
    for id in [7, 8, 9] {
        assert_eq!(server.student(id).status, 503, "{id}");
    }
    nation.bring_database_back();
    eventually("the database is heard", || (server.student(8).status == 200).then_some(()));
    for id in [7, 8, 9] {
        assert!(server.serves(id, &nation.document(id)).starts_with("results-day;fwd=stale"), "{id}");
    }
}

#[test]
fn nothing_of_another_data_set_is_shown_before_its_release_and_nobody_is_called_unchanged() {
    let nation = Nation::published();
    let other = Nation::seeded(2, 2_000);
    let server = nation.serve().serving(1);
    assert_eq!(server.serves(7, &nation.document(7)), HIT);
    replace_database(&nation, &back_up(&other, "other.db"));
    another_data_set_is_noticed(&server);
    nobody_is_answered(&server);
    // Nor does a correction in the other data set, or a restart, with the database or without, show anything.
    nation.correct(7);
    let mut server = server.restart();
    another_data_set_is_noticed(&server);
    nobody_is_answered(&server);
    server.kill();
    nation.take_database_away();
    let server = server.start_again();
    server.logs("serving a release");
    nobody_is_answered(&server);
    nation.bring_database_back();
    nation.publish();
    server.switched_to(2);
    eventually("the new release is trusted", || {
        (server.student(7).header("cache-status") == Some(HIT)).then_some(())
    });
    assert_eq!(server.serves(7, &nation.document(7)), HIT);
    assert_eq!(server.student(2_500).problem(), "unknown-student");
    assert_eq!(server.get("/release.json").json()["changes"]["other_data_set"], false);
}

/// The moment in which the database is exchanged: what a look-up reads may not be what the last poll heard of.
#[test]
fn a_look_up_never_shows_another_data_set_however_the_database_is_exchanged() {
    let (nation, other) = (Nation::seeded(1, 3_000), Nation::seeded(2, 3_000));
    // Two logs that say the same, which is nothing, so that nothing but its name tells one data set from the other.
    for nation in [&nation, &other] {
        nation.edit("DELETE FROM changes", []);
    }
    nation.publish();
    let (ours, theirs) = (back_up(&nation, "ours.db"), back_up(&other, "theirs.db"));
    let documents = nation.documents(nation.ids());
    for _ in 0..10 {
        let server = nation.serve().serving(1);
        let mut client = server.client();
        // Everybody only once, so that every look-up reaches for the database.
        let mut ids = nation.ids();
        replace_database(&nation, &theirs);
        eventually("the other data set is noticed", || {
            let id = ids.next().unwrap();
            let answer = client.get(&format!("/student/{id}"));
            if answer.status == 200 {
                assert_eq!(answer.body, documents[&id], "a result of the other data set");
                return None;
            }
            (answer.problem() == "other-data-set").then_some(())
        });
        replace_database(&nation, &ours);
    }
}

#[test]
fn a_backup_from_before_the_release_makes_everybody_live() {
    let nation = Nation::seeded(1, 3_000);
    let backup = back_up(&nation, "backup.db");
    for id in 1..=20 {
        nation.correct(id);
    }
    nation.publish();
    let server = nation.serve().serving(1);
    assert_eq!(server.serves(7, &nation.document(7)), HIT);
    replace_database(&nation, &backup);
    everybody_is_live(&server);
    all_come_from_the_database(&nation, &server);
    // The restored database counts its changes anew: these have the numbers of those that the release saw.
    for id in 100..=120 {
        nation.correct(id);
    }
    for id in 100..=120 {
        let document = nation.document(id);
        eventually("the correction is seen", || (server.student(id).body == document).then_some(()));
    }
    assert!(nation.publish().starts_with("release 2"));
    server.switched_to(2);
    eventually("the new release is trusted", || {
        (server.serves(110, &nation.document(110)) == HIT).then_some(())
    });
}

#[test]
fn a_backup_that_a_new_server_starts_with_is_noticed_however_the_loading_goes() {
    let nation = Nation::seeded(1, 3_000);
    let backup = back_up(&nation, "backup.db");
    nation.correct(7);
    nation.publish();
    replace_database(&nation, &backup);
    nation.correct(8);
    for attempt in 0..8 {
        // Its cache directory is empty, so that the release and the database arrive at about the same time.
        let cache = format!("cache-{attempt}");
        let server =
            nation.serve_with(&["--database", "sqlite:results.db", "--cache-dir", &cache]).serving(1);
        everybody_is_live(&server);
        all_come_from_the_database(&nation, &server);
    }
}

#[test]
fn a_release_that_arrives_while_the_database_is_heard_is_asked_about_too() {
    // A long log is slow to hear, and a release of 900 quick to load.
    let nation = Nation::seeded(1, 60_000);
    for table in ["natural_science_results", "social_science_results"] {
        nation.edit(&format!("DELETE FROM {table} WHERE student_id > 900"), []);
    }
    let backup = back_up(&nation, "backup.db");
    nation.correct(7);
    nation.publish();
    replace_database(&nation, &backup);
    let server = nation.serve().serving(1);
    everybody_is_live(&server);
    assert!(server.serves(7, &nation.document(7)).starts_with("results-day;fwd=stale"));
}

#[test]
fn a_backup_from_after_the_release_keeps_the_release_and_loses_only_what_it_lacks() {
    let nation = Nation::published();
    nation.correct(5);
    let backup = back_up(&nation, "backup.db");
    let server = nation.serve().serving(1);
    for id in [6, 7] {
        nation.correct(id);
        let document = nation.document(id);
        eventually("the correction is seen", || (server.student(id).body == document).then_some(()));
    }
    replace_database(&nation, &backup);
    // The token is there and the corrections of 6 and 7 are not: the database is what is true.
    for id in [5, 6, 7, 8] {
        let document = nation.document(id);
        eventually("the backup is what is served", || (server.student(id).body == document).then_some(()));
    }
    assert_eq!(server.get("/release.json").json()["changes"]["everybody"], false);
}

#[test]
fn a_backup_that_has_gone_further_by_itself_is_heard_in_full() {
    let nation = Nation::published();
    let backup = back_up(&nation, "backup.db");
    let server = nation.serve().serving(1);
    // The server hears of five changes; meanwhile the copy has other ones, and more of them.
    for id in 1..=5 {
        nation.correct(id);
    }
    let document = nation.document(5);
    eventually("the correction is seen", || (server.student(5).body == document).then_some(()));
    let copy = Connection::open(&backup).unwrap();
    for id in 101..=120 {
        copy.execute("UPDATE students SET name = 'Corrected elsewhere' WHERE id = ?", [id]).unwrap();
    }
    drop(copy);
    // Between two polls, so that the server never finds the database gone.
    for log in ["results.db-wal", "results.db-shm"] {
        let _not_there = fs::remove_file(nation.path(log));
    }
    fs::rename(&backup, nation.path("results.db")).unwrap();
    for id in (101..=120).chain(1..=5) {
        let document = nation.document(id);
        eventually("the other history is served", || (server.student(id).body == document).then_some(()));
    }
}

#[test]
fn a_backup_from_before_the_release_is_not_forgotten_by_a_restart_without_a_database() {
    let nation = Nation::seeded(1, 3_000);
    let backup = back_up(&nation, "backup.db");
    nation.publish();
    let server = nation.serve().serving(1);
    nation.correct(9);
    replace_database(&nation, &backup);
    everybody_is_live(&server);
    nation.take_database_away();
    let server = server.restart();
    for id in [7, 9] {
        assert_eq!((server.student(id).status, &*server.student(id).problem()), (503, "starting"));
    }
}

fn shows(server: &Server, release: u64, nation: &Nation, id: u32) {
    let document = nation.document(id);
    eventually("the bucket's release is served", || {
        let answer = server.student(id);
        let is_it = answer.body == document && answer.header("cache-status") == Some(HIT);
        (is_it && server.get("/release.json").json()["release"] == release).then_some(())
    });
}

#[test]
fn a_bucket_that_is_emptied_is_told_of_and_what_is_published_there_anew_is_served() {
    let nation = Nation::published();
    nation.correct(9);
    nation.publish();
    let server = nation.serve().serving(2);
    fs::remove_dir_all(nation.bucket()).unwrap();
    server.logs("the bucket holds no release, where it held release 2");
    assert_eq!(server.serves(9, &nation.document(9)), HIT);
    nation.correct(9);
    nation.publish();
    shows(&server, 1, &nation, 9);
}

#[test]
fn what_an_earlier_server_left_of_another_bucket_is_not_gone_on_with() {
    let nation = Nation::published();
    let mut server = nation.serve_static().serving(1);
    server.kill();
    fs::remove_dir_all(nation.bucket()).unwrap();
    nation.correct(9);
    nation.publish();
    let server = server.start_again();
    shows(&server, 1, &nation, 9);
}

#[test]
fn a_bucket_that_is_begun_anew_without_the_hour_shows_nothing_before_it() {
    let nation = Nation::seeded(1, 3_000);
    let hour = Timestamp::now() + SignedDuration::from_secs(12);
    nation.run("publish", &["--not-before", &hour.to_string()]).succeeded();
    let server = nation.serve().ready();
    assert_eq!(server.student(9).problem(), "embargoed");
    fs::remove_dir_all(nation.bucket()).unwrap();
    nation.correct(9);
    // As a watcher would that knew nothing of the hour.
    nation.run("publish", &[]).succeeded();
    server.logs("would be seen before its hour");
    assert_eq!(server.student(9).problem(), "embargoed");
    assert_eq!(server.metrics().value("serve_release_lost"), 1.0);
    within(Duration::from_secs(30), "the hour has come", || (server.student(9).status == 200).then_some(()));
    assert!(Timestamp::now() >= hour);
    shows(&server, 1, &nation, 9);
}

#[test]
fn a_newest_release_that_is_deleted_takes_no_server_back_to_the_one_before() {
    let nation = Nation::published();
    nation.correct(9);
    nation.publish();
    let server = nation.serve_static().serving(2);
    fs::remove_file(nation.manifest_path(2)).unwrap();
    server.logs("was read from the database before it");
    assert_eq!(server.serves(9, &nation.document(9)), HIT);
    nation.correct(9);
    nation.publish();
    shows(&server, 2, &nation, 9);
}
