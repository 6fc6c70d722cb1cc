//! Proves that watchers outlive what fails around them, that one takes over from another, and that they and everybody
//! else who publishes make one sequence of whole releases.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use system::{Instants, Nation, Watcher, eventually};

const SOON: [&str; 4] = ["--quiet", "300ms", "--max-wait", "5s"];

/// Who leads is seen within a second of the end of the leader before.
const SECONDS: Duration = Duration::from_secs(5);

#[test]
fn when_the_leader_is_killed_another_watcher_takes_over_within_seconds() {
    let nation = Nation::published();
    let mut leader = nation.watch(&SOON).leading();
    for release in 2..5 {
        let next = nation.watch(&SOON).standing_by();
        leader.kill();
        nation.correct(7);
        next.logs_within(SECONDS, "leading: following");
        next.publishes(release);
        leader = next;
    }
    // One that is stopped leaves just as well.
    let next = nation.watch(&SOON).standing_by();
    assert_eq!(leader.stop().code(), Some(0));
    next.logs_within(SECONDS, "leading: following");
    nation.verify_all();
}

#[test]
fn watchers_killed_at_any_instant_and_persons_beside_them_make_one_sequence_of_whole_releases() {
    let nation = Nation::published();
    let flags = ["--quiet", "20ms", "--max-wait", "100ms"];
    let start = || nation.watch(&flags);
    let mut watchers: [Watcher; 3] = std::array::from_fn(|_| start());
    let mut instants = Instants(12);
    for round in 0..12 {
        nation.edit("UPDATE students SET name = name || '+' WHERE id % 100 = 0", []);
        instants.pass(Duration::from_millis(1_500));
        // Sometimes the leader, sometimes not.
        let killed = &mut watchers[round % 3];
        killed.kill();
        *killed = start();
        if round % 4 == 0 {
            nation.run("publish", &[]).succeeded();
        }
    }
    nation.correct(7);
    let up_to_date =
        || nation.run("publish", &["--bucket", "./bucket"]).succeeded().contains("is up to date");
    let before = nation.releases().len();
    eventually("the last correction is published", || (nation.releases().len() > before).then_some(()));
    eventually("nothing is left to publish", || up_to_date().then_some(()));
    for watcher in &mut watchers {
        assert!(watcher.works(), "{}", watcher.log());
        assert_eq!(watcher.stop().code(), Some(0));
    }
    assert!(before > 4, "{before} releases are no test");
    nation.verify_all();
}

#[test]
fn a_database_that_is_away_is_waited_for_and_told_of_once() {
    let nation = Nation::published();
    let watcher = nation.watch(&SOON).leading();
    for time in 1..3 {
        nation.take_database_away();
        watcher.logs_times(SECONDS, "asking the database failed", time);
        nation.bring_database_back();
        watcher.logs_times(SECONDS * 2, "asking the database works again", time);
        nation.correct(7);
        watcher.publishes(time as u64 + 1);
        assert_eq!(watcher.logged("failed"), time, "{}", watcher.log());
    }
    nation.verify_all();
}

#[test]
fn a_watcher_that_comes_before_the_seeder_waits_for_it() {
    let nation = Nation::empty();
    let mut watcher = nation.watch(&SOON);
    watcher.logs("asking the database failed");
    nation.run("db-seeder", &["--students", "3000"]).succeeded();
    watcher.publishes(1);
    assert_eq!(watcher.stop().code(), Some(0));
    nation.verify_all();
}

#[test]
fn a_database_that_was_restored_is_published_anew_at_once() {
    let nation = Nation::published();
    nation.connect().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    fs::copy(nation.path("results.db"), nation.path("backup.db")).unwrap();
    nation.correct(7);
    nation.publish();
    let watcher = nation.watch(&["--quiet", "1h", "--max-wait", "1h"]).leading();
    watcher.logs("release=2");
    nation.take_database_away();
    fs::rename(nation.path("backup.db"), nation.path("results.db")).unwrap();
    watcher.publishes(3);
    let server = nation.serve_static().serving(3);
    server.serves(7, &nation.document(7));
    nation.verify_all();
}

#[test]
fn results_of_another_data_set_are_left_to_a_person_who_can_say_their_hour() {
    let (nation, next) = (Nation::published(), Nation::seeded(2, 1_000));
    let watcher = nation.watch(&SOON).leading();
    watcher.logs("release=1");
    next.connect().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    nation.take_database_away();
    fs::copy(next.path("results.db"), nation.path("results.db")).unwrap();
    watcher.logs("the database holds another data set than the current release");
    nation.correct(7);
    nation.run("publish", &["--not-before", "2999-01-01T00:00:00Z"]).succeeded();
    assert_eq!(nation.manifest(2)["not_before"], "2999-01-01T00:00:00Z");
    // From then on it is the watcher's work again.
    nation.correct(7);
    watcher.publishes(3);
    assert_eq!(nation.manifest(3)["not_before"], "2999-01-01T00:00:00Z");
    nation.verify_all();
}

#[test]
fn a_bucket_that_went_away_is_not_begun_anew() {
    let nation = Nation::published();
    let watcher = nation.watch(&SOON).leading();
    watcher.logs("release=1");
    let away = nation.path("bucket.away");
    fs::rename(nation.bucket(), &away).unwrap();
    nation.correct(7);
    watcher.logs("asking the store failed");
    assert!(watcher.log().contains("is not what it was"), "{}", watcher.log());
    assert_eq!(nation.releases(), [0_u64; 0]);
    fs::rename(&away, nation.bucket()).unwrap();
    watcher.publishes(2);
    watcher.logs("asking the store works again");
    nation.verify_all();
}

#[test]
fn a_row_that_breaks_the_rules_is_told_without_a_name_and_waited_for() {
    let nation = Nation::published();
    let watcher = nation.watch(&["--quiet", "200ms", "--max-wait", "1h"]).leading();
    let edit = |sql: &str| {
        nation.connect().execute_batch(&format!("PRAGMA ignore_check_constraints = ON; {sql}")).unwrap();
    };
    edit("UPDATE students SET sex = 'X' WHERE id = 2718");
    watcher.logs("cannot be published");
    // It is tried again when something changes, and only then.
    edit("UPDATE students SET name = name || '+' WHERE id = 8");
    watcher.logs_times(SECONDS, "cannot be published", 2);
    let tried = Instant::now();
    while tried.elapsed() < Duration::from_secs(2) {
        assert_eq!(watcher.logged("cannot be published"), 2, "{}", watcher.log());
        thread::sleep(Duration::from_millis(50));
    }
    assert!(!watcher.log().contains("2718"), "{}", watcher.log());
    nation.run("publish", &[]).failed(1, &["publish: a row is invalid; in a terminal the program names it"]);
    edit("UPDATE students SET sex = 'F' WHERE id = 2718");
    watcher.publishes(2);
    nation.verify_all();
}

#[test]
fn a_watcher_ends_at_once_whatever_it_is_doing() {
    let nation = Nation::seeded(1, 20_000);
    // While it publishes, at several instants.
    let mut instants = Instants(3);
    for _ in 0..4 {
        nation.edit("UPDATE students SET name = name || '+' WHERE id % 500 = 0", []);
        let mut watcher = nation.watch(&["--quiet", "1ms"]).leading();
        instants.pass(Duration::from_millis(500));
        assert_eq!(watcher.stop().code(), Some(0));
    }
    let mut leader = nation.watch(&SOON).leading();
    let mut standing_by = nation.watch(&SOON).standing_by();
    assert_eq!(standing_by.stop().code(), Some(0));
    eventually("everything is published", || {
        let said = nation.run("publish", &[]).succeeded();
        said.contains("is up to date").then_some(())
    });
    // Somebody has the database locked, and the watcher waits for that.
    let connection = nation.connect();
    connection.execute_batch("BEGIN EXCLUSIVE; UPDATE students SET name = 'Locked' WHERE id = 7").unwrap();
    leader.signal("INT");
    eventually("the watcher ends", || (!leader.works()).then_some(()));
    drop(connection);
    nation.verify_all();
}
