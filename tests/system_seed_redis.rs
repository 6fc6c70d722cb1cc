//! Proves that the seeder fills Redis with everybody's document once the database is complete, takes up what was
//! begun, and never does twice what is done.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod board;
    pub(crate) mod cached;
    pub(crate) mod servers;
}
mod system;

use std::{process::Command, thread, time::Duration};

use support::{
    board::Board,
    cached::{calls, clients, data_set, entries, keys, lengths, standing},
    servers::{Redis, free_port},
};
use system::{Instants, Nation, Ran, Running, eventually, within};

/// A seeder of this board's nation and this Redis.
fn seeder(board: &Board, redis: &str, students: &str) -> Command {
    let mut command = board.program("db-seeder", &["--students", students]);
    command.env("REDIS_URL", redis);
    command
}

fn seed(board: &Board, redis: &Redis, students: &str) -> String {
    Ran::of(&mut seeder(board, &redis.url(), students)).succeeded()
}

const DONE: &str = "the cache holds everybody already; nothing to do\n";

/// Asserts that Redis holds each student's document, under what the log says of the student.
#[track_caller]
fn assert_holds(redis: &Redis, board: &Board, nation: &Nation) {
    let found = entries(redis, &data_set(board));
    assert!(found.keys().copied().eq(nation.ids()), "{} entries", found.len());
    let standing = standing(board, 1);
    for (id, document) in nation.documents(nation.ids()) {
        assert_eq!(found[&id], format!("{standing}{}", String::from_utf8(document).unwrap()));
    }
}

#[test]
fn everybodys_document_is_cached_under_the_standing_of_the_log_and_only_once() {
    let (redis, board, nation) = (Redis::start(), Board::new("unused"), Nation::seeded(1, 4_500));
    let said = seed(&board, &redis, "4500");
    assert!(said.starts_with("seeded 4500 students"), "{said}");
    assert!(said.contains("\ncached 4500 documents (0 were there) in "), "{said}");
    assert_holds(&redis, &board, &nation);
    assert_eq!(keys(&redis), 6, "five thousands, and the mark that they are there");
    let written = || (calls(&redis, "hset"), calls(&redis, "set"));
    let before = written();
    assert!(seed(&board, &redis, "4500").ends_with(DONE));
    // A correction is the live path's; the entries of everybody else are as good as before.
    board.edit("UPDATE students SET name = name || ' +' WHERE id = 7");
    assert!(seed(&board, &redis, "4500").ends_with(DONE));
    assert_eq!(written(), before);
    assert_eq!(calls(&redis, "flushdb") + calls(&redis, "flushall") + calls(&redis, "del"), 0);
}

#[test]
fn a_seeder_that_dies_before_the_database_is_complete_has_cached_nothing() {
    let (redis, nation) = (Redis::start(), Nation::seeded(1, 30_000));
    let mut instants = Instants(4);
    let mut unfinished = 0;
    for _ in 0..5 {
        let board = Board::new("unused");
        let before = keys(&redis);
        let mut running = Running::start_silent(&mut seeder(&board, &redis.url(), "30000"));
        instants.pass(Duration::from_millis(500));
        running.kill();
        let complete = "SELECT (to_regclass('data_set') IS NOT NULL)::text";
        let complete = board.value(complete) == "true"
            && board.value("SELECT coalesce(bool_and(complete), false)::text FROM data_set") == "true";
        if !complete {
            unfinished += 1;
            assert_eq!(keys(&redis), before);
        }
        seed(&board, &redis, "30000");
        assert_holds(&redis, &board, &nation);
    }
    assert!(unfinished > 0, "the instants are ill spread");
}

#[test]
fn a_preload_that_died_is_taken_up_where_it_ended() {
    let (redis, board, nation) =
        (Redis::start(), Board::new("unused").seeded(60_000), Nation::seeded(1, 60_000));
    let mut dead = Running::start_silent(&mut seeder(&board, &redis.url(), "60000"));
    within(Duration::from_secs(30), "ten thousands are cached", || (keys(&redis) > 10).then_some(()));
    dead.kill();
    eventually("Redis has read what the dead had sent", || (clients(&redis) == 0).then_some(()));
    // Thousands are put in whole, or not at all.
    let there = lengths(&redis, &data_set(&board));
    assert!((10..61).contains(&there.len()), "{there:?}");
    assert!(there.iter().all(|(block, students)| *students == if *block == 0 { 999 } else { 1_000 }));
    let documents: usize = there.values().sum();
    let before = calls(&redis, "hset");
    let said = seed(&board, &redis, "60000");
    let expected = format!("cached {} documents ({documents} were there) in ", 60_000 - documents);
    assert!(said.contains(&expected), "{said} instead of {expected}");
    // The last student is alone in a thousand: 61 of them.
    assert_eq!(calls(&redis, "hset") - before, 61 - there.len() as u64);
    assert_holds(&redis, &board, &nation);
    assert!(seed(&board, &redis, "60000").ends_with(DONE));
}

#[test]
fn seeders_at_once_fill_one_cache() {
    let (redis, board, nation) = (Redis::start(), Board::new("unused"), Nation::seeded(1, 25_000));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| seed(&board, &redis, "25000"));
        }
    });
    assert_holds(&redis, &board, &nation);
    assert!(seed(&board, &redis, "25000").ends_with(DONE));
}

#[test]
fn a_database_that_was_seeded_anew_does_not_meet_the_entries_of_the_older_one() {
    let (redis, nation) = (Redis::start(), Nation::seeded(1, 2_500));
    let (older, newer) = (Board::new("unused"), Board::new("unused"));
    seed(&older, &redis, "2500");
    let before = entries(&redis, &data_set(&older));
    assert!(seed(&newer, &redis, "2500").contains("cached 2500 documents (0 were there)"));
    assert_ne!(data_set(&older), data_set(&newer));
    assert_holds(&redis, &newer, &nation);
    assert_eq!(entries(&redis, &data_set(&older)), before);
}

#[test]
fn after_a_change_of_everything_everybody_is_cached_again() {
    let (redis, board, nation) = (Redis::start(), Board::new("unused"), Nation::seeded(1, 2_500));
    seed(&board, &redis, "2500");
    board.edit(
        "BEGIN; \
         CREATE TEMPORARY TABLE kept AS SELECT * FROM natural_science_results; \
         TRUNCATE natural_science_results; INSERT INTO natural_science_results SELECT * FROM kept; \
         COMMIT",
    );
    assert!(seed(&board, &redis, "2500").contains("\ncached 2500 documents (0 were there) in "));
    let found = entries(&redis, &data_set(&board));
    // Whoever was inserted again has a change of one's own besides.
    let (natural, social): (Vec<_>, Vec<_>) = nation
        .documents(nation.ids())
        .into_iter()
        .partition(|(_, text)| text.windows(7).any(|at| at == b"physics"));
    assert!(natural.len() > 100 && social.len() > 100);
    for (id, document) in [&natural[0], &natural[99], &social[0], &social[99]] {
        let expected = format!("{}{}", standing(&board, *id), String::from_utf8_lossy(document));
        assert_eq!(found[id], expected);
    }
    assert!(standing(&board, natural[0].0).starts_with("{\"own\":["));
    assert!(standing(&board, social[0].0).starts_with("{\"own\":null,\"everything\":["));
    assert!(seed(&board, &redis, "2500").ends_with(DONE));
}

#[test]
fn withheld_students_are_not_cached() {
    let (redis, board) = (Redis::start(), Board::new("unused").seeded(2_500));
    board.edit("DELETE FROM students WHERE id IN (7, 1500)");
    assert!(seed(&board, &redis, "2500").contains("\ncached 2498 documents (0 were there) in "));
    let found = entries(&redis, &data_set(&board));
    assert!(!found.contains_key(&7) && !found.contains_key(&1_500));
    assert_eq!(found.len(), 2_498);
}

#[test]
fn a_redis_that_is_away_or_locked_costs_the_database_nothing() {
    let (board, locked) = (Board::new("away"), Redis::start_with(&["--requirepass", "open-sesame"]));
    for (url, problem) in [
        (format!("redis://127.0.0.1:{}/0", free_port()), "Connection refused"),
        (format!("redis://:not-sesame@127.0.0.1:{}/0", locked.port()), "AuthenticationFailed"),
        ("redis://:not-sesame@".to_owned(), "that is not the URL of a cache"),
        ("memcached://not-sesame".to_owned(), "that is not the URL of a cache"),
    ] {
        let ran = Ran::of(&mut seeder(&board, &url, "1500"));
        assert_eq!(ran.status, Some(1), "{ran:?}");
        assert!(ran.stdout.contains("1500 students"), "{ran:?}");
        let line = ran.stderr.lines().last().unwrap();
        assert!(line.starts_with("db-seeder: ") && line.contains(problem), "{ran:?}");
        assert!(!ran.stderr.contains("sesame"), "{ran:?}");
    }
    assert!(board.publish().starts_with("release 1: 1500 students"));
}

#[test]
fn a_redis_that_dies_during_a_preload_ends_it_and_the_next_one_loads_everything() {
    let (mut redis, nation) = (Redis::start(), Nation::seeded(1, 60_000));
    let board = Board::new("unused").seeded(60_000);
    let log = std::fs::File::create(board.folder.path().join("log")).unwrap();
    let mut running = Running::start(seeder(&board, &redis.url(), "60000").stderr(log));
    within(Duration::from_secs(30), "something is cached", || (keys(&redis) > 5).then_some(()));
    redis.kill();
    assert_eq!(running.ended(Duration::from_secs(40)).code(), Some(1));
    let said = std::fs::read_to_string(board.folder.path().join("log")).unwrap();
    assert!(said.lines().last().unwrap().starts_with("db-seeder: the cache is not available: "), "{said}");
    redis.resume();
    assert!(seed(&board, &redis, "60000").contains("\ncached 60000 documents (0 were there) in "));
    assert_holds(&redis, &board, &nation);
}
