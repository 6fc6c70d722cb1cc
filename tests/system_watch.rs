//! Proves that `publish --watch` keeps what is published fresh: soon after a change, however busy it is, and never on
//! top of a rollback.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use results_day::release::{Attempt, Bucket, Commit, Manifest, ReleaseNumber, ReleaseStore};
use system::{Nation, Ran, Watcher, eventually, program};
use tokio::runtime::Runtime;

const SOON: [&str; 4] = ["--quiet", "300ms", "--max-wait", "5s"];

/// Between two corrections of somebody who has many to make.
const PAUSE: Duration = Duration::from_millis(50);

#[test]
fn the_first_release_is_published_at_once_and_a_correction_when_it_has_been_quiet() {
    let nation = Nation::seeded(1, 3_000);
    let mut watcher = nation.watch(&SOON);
    watcher.publishes(1);
    nation.correct(7);
    watcher.publishes(2);
    let server = nation.serve_static().serving(2);
    server.serves(7, &nation.document(7));
    let said = watcher.said();
    assert!(said[0].starts_with("release 1: 3000 students in 4 shards; 4 shards uploaded"), "{said:?}");
    assert!(said[1].starts_with("release 2: 3000 students in 4 shards; 1 shards uploaded"), "{said:?}");
    assert_eq!(watcher.stop().code(), Some(0));
    assert_eq!(watcher.said().len(), 2, "one line for each publication");
    assert!(watcher.log().ends_with("stopped"), "{}", watcher.log());
    nation.verify_all();
}

#[test]
fn corrections_wait_for_one_another_until_it_is_quiet() {
    let nation = Nation::published();
    let watcher = nation.watch(&["--quiet", "2s", "--max-wait", "1h"]).leading();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(5) {
        // The same student time and again: the log has one row.
        nation.correct(7);
        thread::sleep(PAUSE);
    }
    assert_eq!(nation.releases(), [1]);
    watcher.publishes(2);
    assert!(nation.publish().contains("release 2 is up to date"));
    nation.verify_all();
}

#[test]
fn corrections_that_never_stop_are_published_all_the_same() {
    let nation = Nation::published();
    let _watcher = nation.watch(&["--quiet", "1h", "--max-wait", "1500ms"]).leading();
    let started = Instant::now();
    while nation.releases().len() < 3 {
        nation.correct(7);
        thread::sleep(PAUSE);
        assert!(started.elapsed() < Duration::from_secs(15), "{:?}", nation.releases());
    }
    nation.verify_all();
}

#[test]
fn what_somebody_else_publishes_is_not_published_again() {
    let nation = Nation::published();
    let watcher = nation.watch(&["--quiet", "1h", "--max-wait", "1h"]).leading();
    nation.correct(7);
    assert!(nation.publish().starts_with("release 2"));
    watcher.logs("release=2");
    assert_eq!(watcher.said(), [""; 0]);
    nation.verify_all();
}

/// Makes a release the current one again, as a rollback does that has read it before; `false` where its number was taken.
fn roll_back(runtime: &Runtime, store: &ReleaseStore, to: &Manifest, current: ReleaseNumber) -> bool {
    let manifest = Manifest {
        number: current.next(),
        parent: Some(current),
        repeats: Some(to.number),
        attempt: Attempt::random(),
        ..to.clone()
    };
    runtime.block_on(store.commit(&manifest)).unwrap() == Commit::Won
}

fn store_of(nation: &Nation) -> ReleaseStore {
    nation.bucket().display().to_string().parse::<Bucket>().unwrap().open().unwrap()
}

/// Nothing is published for longer than a watcher takes to notice something, and to publish it.
fn nothing_is_published_on(nation: &Nation, watcher: &Watcher, rollback: u64) {
    watcher.logs("somebody rolled back");
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(3) {
        nation.correct(8);
        thread::sleep(PAUSE);
        assert_eq!(nation.releases().last(), Some(&rollback), "{}", watcher.log());
    }
}

#[test]
fn nothing_is_published_on_top_of_a_rollback_before_a_person_publishes() {
    let nation = Nation::published();
    let watcher = nation.watch(&SOON).leading();
    nation.correct(7);
    watcher.publishes(2);
    nation.run("publish", &["rollback", "1"]).succeeded();
    nothing_is_published_on(&nation, &watcher, 3);
    // Nor by one that starts now.
    drop(watcher);
    let mut watcher = nation.watch(&SOON);
    nothing_is_published_on(&nation, &watcher, 3);
    assert_eq!(watcher.logged("somebody rolled back"), 1);
    assert!(nation.publish().starts_with("release 4"));
    watcher.logs("release=4");
    nation.correct(7);
    watcher.publishes(5);
    assert_eq!(watcher.stop().code(), Some(0));
    nation.verify_all();
}

#[test]
fn a_rollback_is_over_when_a_person_publishes_though_nothing_has_changed() {
    let nation = Nation::published();
    nation.correct(7);
    nation.publish();
    // Back, and then forth again to what the database holds.
    for number in ["1", "2"] {
        nation.run("publish", &["rollback", number]).succeeded();
    }
    let watcher = nation.watch(&SOON);
    watcher.logs("somebody rolled back");
    assert!(nation.publish().starts_with("release 5: 3000 students in 4 shards; 0 shards uploaded"));
    assert!(nation.publish().starts_with("release 5 is up to date"));
    nation.correct(7);
    watcher.publishes(6);
    nation.verify_all();
}

#[test]
fn a_rollback_that_wins_the_race_against_a_publication_is_not_published_over() {
    let (nation, runtime) = (Nation::seeded(1, 20_000), Runtime::new().unwrap());
    let watcher = nation.watch(&SOON);
    watcher.publishes(1);
    nation.correct(7);
    watcher.publishes(2);
    let store = store_of(&nation);
    let first = runtime.block_on(store.manifest(ReleaseNumber::FIRST)).unwrap().unwrap();
    let mut current = first.number.next();
    let shards = || fs::read_dir(nation.bucket().join("shards/0")).unwrap().count();
    loop {
        let before = shards();
        nation.edit("UPDATE students SET name = name || '+' WHERE id % 500 = 0", []);
        // It has begun, and has more than a dozen shards to go.
        eventually("a publication is under way", || (shards() > before).then_some(()));
        if roll_back(&runtime, &store, &first, current) {
            break;
        }
        current = current.next();
        assert!(nation.releases().len() < 12, "no rollback ever wins");
    }
    let rollback = *nation.releases().last().unwrap();
    nothing_is_published_on(&nation, &watcher, rollback);
    assert_eq!(watcher.logged(&format!("another publisher committed release {rollback} first")), 1);
    assert!(nation.publish().starts_with(&format!("release {}", rollback + 1)));
    nation.verify_all();
}

#[test]
fn how_long_to_wait_is_said_as_a_duration_and_only_to_a_watcher() {
    let nation = Nation::seeded(1, 100);
    for (flags, words) in [
        (&["--watch", "--quiet", "0s"][..], "not more than nothing; give one such as 5s"),
        (&["--watch", "--quiet=-5s"], "less than nothing"),
        (&["--watch", "--max-wait", "soon"], "give one such as 5s"),
        (&["--watch", "--max-wait", "5"], "give one such as 5s"),
        (&["--quiet", "5s"], "--watch"),
        (&["--max-wait", "60s"], "--watch"),
    ] {
        let ran = Ran::of(program("publish", &nation.path("")).args(flags));
        ran.failed(2, &[words]);
    }
    for flags in [["--database", "oracle:x"], ["--bucket", "./results.db"]] {
        Ran::of(program("publish", &nation.path("")).arg("--watch").args(flags)).failed(1, &["publish: "]);
    }
    let mut command = program("publish", &nation.path(""));
    command.args(["--database", "sqlite:results.db", "--watch", "--quiet", "PT0.3S", "--max-wait", "1m30s"]);
    Watcher::start(&mut command).publishes(1);
}
