//! Proves that PostgreSQL is seeded with exactly the rows that SQLite is seeded with, however many seeders there are
//! and whenever they die.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod board;
    pub(crate) mod servers;
}
mod system;

use std::{
    thread,
    time::{Duration, Instant},
};

use support::board::Board;
use system::{Instants, Nation, Ran, Running, eventually};

/// The tables and their columns, in the order of the ids.
const TABLES: [(&str, &str); 3] = [
    ("students", "id, name, sex, school, region, stream"),
    (
        "natural_science_results",
        "student_id, english, mathematics, aptitude, civics, physics, chemistry, biology",
    ),
    (
        "social_science_results",
        "student_id, english, mathematics, aptitude, civics, geography, history, economics",
    ),
];

/// Every row of the nation, one a line.
fn rows_of_nation(nation: &Nation) -> Vec<String> {
    let database = nation.connect();
    let mut rows = Vec::new();
    for (table, columns) in TABLES {
        let sql = format!("SELECT concat_ws('|', {columns}) FROM {table} ORDER BY 1");
        let mut query = database.prepare(&sql).unwrap();
        let table: Result<Vec<String>, _> = query.query_map([], |row| row.get(0)).unwrap().collect();
        let mut table = table.unwrap();
        table.sort();
        rows.extend(table);
    }
    rows
}

/// The same of the board.
fn rows_of_board(board: &Board) -> Vec<String> {
    let mut rows = Vec::new();
    for (table, columns) in TABLES {
        let sql = format!("SELECT coalesce(string_agg(concat_ws('|', {columns}), E'\\n'), '') FROM {table}");
        let mut table: Vec<_> = board.value(&sql).lines().map(str::to_owned).collect();
        table.sort();
        rows.extend(table);
    }
    rows
}

/// Asserts that the board holds exactly what the nation does, complete and logged as one change of everything.
#[track_caller]
fn assert_is(board: &Board, nation: &Nation) {
    // Not assert_eq: a difference would print the nation.
    assert!(rows_of_board(board) == rows_of_nation(nation), "the rows differ");
    assert_eq!(board.value("SELECT string_agg(student_id::text, ',') FROM changes"), "0");
    assert_eq!(board.value("SELECT bool_and(complete)::text FROM data_set"), "true");
}

const NATION: u32 = 45_000;

#[test]
fn postgres_holds_the_rows_that_sqlite_holds() {
    let nation = Nation::seeded(1, NATION);
    let board = Board::new("unused");
    let seeder = || board.run("db-seeder", &["--students", "45000"]).succeeded();
    assert!(seeder().starts_with("seeded 45000 students (0 were there) into postgres://postgres@127.0.0.1:"));
    assert_is(&board, &nation);
    assert!(seeder().ends_with(" holds these 45000 students already; nothing to do\n"));
    assert_is(&board, &nation);
    let other = board.run("db-seeder", &["--students", "45000", "--seed", "2"]);
    other.failed(1, &["another data set", "--seed 1"]);
    assert_is(&board, &nation);
}

#[test]
fn tables_alone_take_results_of_ones_own_which_are_published() {
    let board = Board::new("own");
    let tables = || board.run("db-seeder", &["--tables-only"]).succeeded();
    assert!(tables().ends_with(" has its tables, which are empty\n"));
    board.run("publish", &[]).failed(1, &["nobody in the data set has a result"]);
    board.edit("INSERT INTO students VALUES (7, 'N', 'F', 'S', 'R', 'natural_science')");
    board.edit("INSERT INTO natural_science_results VALUES (7, 1, 2, 3, 4, 5, 6, 7)");
    assert!(tables().ends_with(" has its tables already; nothing to do\n"));
    assert!(board.publish().starts_with("release 1: 1 students in 1 shards"));
    assert_eq!(
        board.value("SELECT string_agg(student_id::text, ',' ORDER BY student_id) FROM changes"),
        "0,7"
    );
    board.run("db-seeder", &["--students", "100"]).failed(1, &["another data set"]);
}

#[test]
fn seeders_at_once_make_one_nation() {
    let (small, large) = (Nation::seeded(4, 100), Nation::seeded(4, NATION));
    for (nation, students, seeders, rounds) in
        [(&small, "100", 3, 6), (&large, "45000", 2, 2), (&large, "45000", 3, 2)]
    {
        for _ in 0..rounds {
            let board = Board::new("unused");
            thread::scope(|scope| {
                for _ in 0..seeders {
                    scope.spawn(|| {
                        board.run("db-seeder", &["--seed", "4", "--students", students]).succeeded()
                    });
                }
            });
            assert_is(&board, nation);
            let said = board.run("db-seeder", &["--seed", "4", "--students", students]).succeeded();
            assert!(said.contains("nothing to do"), "{said}");
        }
    }
}

#[test]
fn a_seeder_killed_at_any_instant_is_finished_by_the_next_one() {
    let nation = Nation::seeded(3, NATION);
    let flags = ["--seed", "3", "--students", "45000"];
    let started = Instant::now();
    Board::new("unused").run("db-seeder", &flags).succeeded();
    let took = started.elapsed();
    let mut instants = Instants(5);
    let mut kills = 0;
    for _ in 0..5 {
        let board = Board::new("unused");
        for _ in 0..3 {
            let mut seeder = Running::start_silent(&mut board.program("db-seeder", &flags));
            instants.pass(took / 3);
            kills += u32::from(seeder.child().try_wait().unwrap().is_none());
            seeder.kill();
        }
        let unfinished = board.run("publish", &["--bucket", "./early"]);
        assert!(unfinished.status == Some(1) || rows_of_board(&board) == rows_of_nation(&nation));
        board.run("db-seeder", &flags).succeeded();
        assert_is(&board, &nation);
    }
    println!("{kills} of 15 seeders were killed at work");
    assert!(kills > 2, "the instants are ill spread");
}

#[test]
fn a_seeder_whose_rival_is_killed_finishes_its_work() {
    let nation = Nation::seeded(3, NATION);
    let flags = ["--seed", "3", "--students", "45000"];
    let mut instants = Instants(6);
    for _ in 0..3 {
        let board = Board::new("unused");
        let mut rival = Running::start_silent(&mut board.program("db-seeder", &flags));
        let said = thread::scope(|scope| {
            let seeder = scope.spawn(|| Ran::of(&mut board.program("db-seeder", &flags)));
            instants.pass(Duration::from_millis(700));
            rival.kill();
            seeder.join().unwrap()
        });
        said.succeeded();
        assert_is(&board, &nation);
    }
}

#[test]
fn publication_waits_for_nobody_and_refuses_what_is_half_seeded() {
    let board = Board::new("unused");
    let flags = ["--students", "400000"];
    let mut seeder = Running::start_silent(&mut board.program("db-seeder", &flags));
    let loaded = "SELECT CASE WHEN to_regclass('seed_batches') IS NULL THEN 'no' ELSE 'yes' END";
    eventually("the seeder has begun", || (board.value(loaded) == "yes").then_some(()));
    board.run("publish", &["--bucket", "./early"]).failed(1, &["is not complete", "run db-seeder"]);
    seeder.kill();
    board.run("publish", &["--bucket", "./early"]).failed(1, &["is not complete", "run db-seeder"]);
}
