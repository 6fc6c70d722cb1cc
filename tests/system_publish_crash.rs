//! Proves that publishing and seeding can be killed at any instant, and run beside each other, and that what
//! comes out is always whole.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::{
    collections::BTreeSet,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use system::{Instants, Nation, Running, Site, kill_publishers, program};

impl Site for Nation {
    fn publisher(&self, flags: &[&str]) -> Command {
        let mut command = program("publish", &self.path(""));
        command.env("DATABASE_URL", "sqlite:results.db").env("BUCKET", "./bucket").args(flags);
        command
    }

    fn correct_all(&self, sql: &str) {
        self.edit(sql, []);
    }

    fn everything_changes(&self) {
        self.edit("UPDATE data_set SET revision = revision + 1", []);
        self.edit("INSERT OR REPLACE INTO changes SELECT 0, revision, random() FROM data_set", []);
    }

    fn numbers(&self) -> Vec<u64> {
        self.releases()
    }
}

#[test]
fn a_publisher_killed_at_any_instant_of_anything_leaves_whole_releases() {
    let nation = Nation::published();
    kill_publishers(&nation, 25, 25);
    let current = *nation.releases().last().unwrap();
    let server = nation.serve_static().serving(current);
    for (id, document) in nation.documents((500..=3_000).step_by(500)) {
        server.serves(id, &document);
    }
}

/// How many rows of results one nation has and the other has not.
fn differences(one: &Nation, other: &Nation) -> i64 {
    let database = one.connect();
    database.execute("ATTACH ? AS other", [other.path("results.db").to_str().unwrap()]).unwrap();
    let missing = |from: &str, to: &str, table: &str| -> i64 {
        let sql =
            format!("SELECT count(*) FROM (SELECT * FROM {from}.{table} EXCEPT SELECT * FROM {to}.{table})");
        database.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    let tables = ["students", "natural_science_results", "social_science_results"];
    tables.iter().map(|table| missing("main", "other", table) + missing("other", "main", table)).sum()
}

#[test]
fn a_seeder_killed_at_any_instant_is_finished_by_the_next_one() {
    let started = Instant::now();
    let whole = Nation::seeded(3, 45_000);
    let took = started.elapsed();
    let mut instants = Instants(3);
    for _ in 0..4 {
        let nation = Nation::empty();
        let flags = ["--seed", "3", "--students", "45000"];
        let mut kills = 0;
        for _ in 0..3 {
            let mut seeder = program("db-seeder", &nation.path(""));
            let mut seeder =
                Running::start_silent(seeder.args(["--database", "sqlite:results.db"]).args(flags));
            instants.pass(took);
            kills += u32::from(seeder.child().try_wait().unwrap().is_none());
            seeder.kill();
        }
        let unfinished = nation.run("publish", &["--bucket", "./early"]);
        assert!(unfinished.status == Some(1) || differences(&nation, &whole) == 0, "{unfinished:?}");
        nation.run("db-seeder", &flags).succeeded();
        assert_eq!(differences(&nation, &whole), 0, "{kills} kills changed the nation");
        let said = nation.run("db-seeder", &flags).succeeded();
        assert!(said.contains("nothing to do"), "{said}");
    }
}

#[test]
fn two_seeders_at_once_make_one_nation() {
    let whole = Nation::seeded(4, 30_000);
    let nation = Nation::empty();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| nation.run("db-seeder", &["--seed", "4", "--students", "30000"]).succeeded());
        }
    });
    assert_eq!(differences(&nation, &whole), 0);
    assert!(nation.publish().starts_with("release 1: 30000 students"));
}

#[test]
fn publishers_at_once_all_succeed_and_their_releases_follow_one_another() {
    let nation = Nation::seeded(1, 3_000);
    for round in 0..6 {
        nation.edit("UPDATE students SET name = name || ? WHERE id % 100 = 0", [round.to_string()]);
        let before = nation.releases().len() as u64;
        thread::scope(|scope| {
            for delay in [0, 0, 30] {
                let nation = &nation;
                scope.spawn(move || {
                    // The last one starts on a database that has changed again.
                    if delay > 0 {
                        thread::sleep(Duration::from_millis(delay));
                        nation.correct(7);
                    }
                    nation.run("publish", &[]).succeeded()
                });
            }
        });
        let releases = nation.releases();
        assert_eq!(releases, (1..=releases.len() as u64).collect::<Vec<_>>(), "no number is left out");
        assert!((before + 1..=before + 2).contains(&(releases.len() as u64)), "{releases:?} after {before}");
        nation.verify();
        assert!(nation.publish().contains("is up to date"), "the last release has the last correction");
    }
    let mut attempts = BTreeSet::new();
    for number in nation.releases() {
        let manifest = nation.manifest(number);
        assert_eq!(manifest["parent"].as_u64(), number.checked_sub(1).filter(|parent| *parent > 0));
        assert!(attempts.insert(manifest["attempt"].as_str().unwrap().to_owned()));
        nation.run("publish", &["verify", &number.to_string()]).succeeded();
    }
}
