//! Proves that `publish verify` names everything that is not as it should be, in a release and beside the database
//! that it was read from, and nothing that is.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod board;
    pub(crate) mod servers;
}
mod system;

use std::{
    fs,
    sync::atomic::{AtomicU32, Ordering},
};

use results_day::release::{Bucket, ReleaseStore};

use support::board::Board;
use system::{Nation, Ran, program};

/// Results in one of the databases, published to one of the stores.
enum Results {
    Sqlite(Nation),
    Postgres(Board),
}

const TABLES: [&str; 3] = ["students", "natural_science_results", "social_science_results"];

impl Results {
    /// 3,000 students, each time, and releases of their own.
    fn in_each_database(test: impl Fn(Self)) {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        test(Self::Sqlite(Nation::seeded(1, 3_000)));
        let bucket = format!("s3://verified/{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        test(Self::Postgres(Board::new(&bucket).seeded(3_000)));
    }

    /// Runs `publish` with its database and bucket in the environment.
    fn run(&self, flags: &[&str]) -> Ran {
        match self {
            Self::Sqlite(nation) => Ran::of(
                program("publish", &nation.path(""))
                    .env("DATABASE_URL", "sqlite:results.db")
                    .env("BUCKET", "./bucket")
                    .args(flags),
            ),
            Self::Postgres(board) => board.run("publish", flags),
        }
    }

    fn publish(&self) {
        self.run(&[]).succeeded();
    }

    /// What is said of release 1 beside the database, given that nothing is wrong.
    fn compared(&self) -> String {
        self.run(&["verify", "1", "--database"]).succeeded()
    }

    /// Runs statements as whoever corrects marks would.
    fn edit(&self, sql: &str) {
        match self {
            Self::Sqlite(nation) => nation.connect().execute_batch(sql).unwrap(),
            Self::Postgres(board) => board.edit(sql),
        }
    }

    /// Runs statements with the triggers off, and leaves no trace of that.
    fn edit_behind_the_log(&self, sql: &str) {
        match self {
            Self::Sqlite(nation) => {
                let database = nation.connect();
                let triggers: Vec<(String, String)> = database
                    .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
                    .unwrap()
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
                    .unwrap()
                    .map(Result::unwrap)
                    .collect();
                let off: String = triggers.iter().map(|(name, _)| format!("DROP TRIGGER {name};")).collect();
                let on: String = triggers.iter().map(|(_, sql)| format!("{sql};")).collect();
                database.execute_batch(&format!("BEGIN; {off} {sql}; {on} COMMIT;")).unwrap();
            }
            Self::Postgres(board) => {
                let off = TABLES.map(|table| format!("ALTER TABLE {table} DISABLE TRIGGER USER;")).concat();
                let events = ["insert", "update", "delete", "truncate"];
                let on: String = TABLES
                    .iter()
                    .flat_map(|table| events.map(|event| (table, event)))
                    .map(|(table, event)| {
                        format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_{event}_logged;")
                    })
                    .collect();
                board.edit(&format!("BEGIN; {off} {sql}; {on} COMMIT;"));
            }
        }
    }

    /// Logs that everything has changed.
    fn log_everything(&self) {
        match self {
            Self::Sqlite(_) => self.edit(
                "UPDATE data_set SET revision = revision + 1;
                 INSERT OR REPLACE INTO changes SELECT 0, revision, random() FROM data_set;",
            ),
            Self::Postgres(_) => self.edit("SELECT log_changes('{0}')"),
        }
    }
}

/// Gives the first student's name and school to another with marks of one's own.
fn insert(id: u32) -> String {
    format!(
        "INSERT INTO students SELECT {id}, name, sex, school, region, 'natural_science' FROM students WHERE id = 1;
         INSERT INTO natural_science_results VALUES ({id}, 1, 2, 3, 4, 5, 6, 7);"
    )
}

#[test]
fn a_release_is_as_its_database_but_for_those_who_have_changed_since() {
    Results::in_each_database(|results| {
        results.publish();
        let whole = "release 1 is whole: 3000 documents in 4 shards, 0.8 MB read and checked";
        assert_eq!(results.run(&["verify"]).succeeded(), format!("{whole}\n"));
        let compared = |same: u32, changed: &str| {
            let are = format!("{whole}; {same} of its students are as in the database, {changed} since\n");
            assert_eq!(results.compared(), are);
        };
        compared(3_000, "0 have changed");
        results.edit("UPDATE students SET name = name || ' +' WHERE id = 5");
        compared(2_999, "1 has changed");
        // One who is gone, and two who are new: in a shard that there is, and in one that is not.
        results.edit("DELETE FROM students WHERE id = 1500");
        results.edit(&insert(3_500));
        results.edit(&insert(800_000));
        compared(2_998, "4 have changed");
        // The next release has seen all of that.
        results.publish();
        let said = results.run(&["verify", "--database"]).succeeded();
        assert!(said.starts_with("release 2 is whole: 3001 documents in 5 shards"), "{said}");
        assert!(
            said.ends_with("; 3001 of its students are as in the database, 0 have changed since\n"),
            "{said}"
        );
        compared(2_998, "4 have changed");
    });
}

#[test]
fn what_was_changed_behind_the_log_is_found() {
    Results::in_each_database(|results| {
        results.edit("DELETE FROM students WHERE id BETWEEN 1000 AND 1999");
        results.publish();
        results.edit("UPDATE students SET name = name || ' +' WHERE id IN (9, 10)");
        results.edit_behind_the_log(
            "UPDATE students SET name = name || ' -' WHERE id IN (5, 9);
             DELETE FROM students WHERE id IN (6, 10, 3000)",
        );
        results.edit_behind_the_log(&[1_500, 3_001, 800_000].map(insert).concat());
        let ran = results.run(&["verify", "--database"]);
        assert_eq!(
            ran.found("release 1 is not as it should be: 6 differences"),
            [
                "release 1: student 5 has another document than the database's row",
                "release 1: student 6 is in the release and not in the database",
                "release 1: student 1500 is in the database and not in the release",
                "release 1: student 3000 is in the release and not in the database",
                "release 1: student 3001 is in the database and not in the release",
                "release 1: student 800000 is in the database and not in the release",
            ]
        );
        // The release itself is what its manifest says.
        results.run(&["verify"]).succeeded();
    });
}

#[test]
fn students_who_lie_far_apart_are_compared_shard_by_shard_all_the_same() {
    Results::in_each_database(|results| {
        results.edit("UPDATE students SET id = id * 1000 + 10000000");
        results.publish();
        let said = results.compared();
        assert!(
            said.ends_with("; 3000 of its students are as in the database, 0 have changed since\n"),
            "{said}"
        );
        results.edit_behind_the_log(&[2, 10_000_001, 999_999_999].map(insert_alone).concat());
        let ran = results.run(&["verify", "--database"]);
        assert_eq!(
            ran.found("3 differences"),
            [2, 10_000_001, 999_999_999]
                .map(|id| format!("release 1: student {id} is in the database and not in the release"))
        );
    });
}

/// One who takes nothing from anybody else.
fn insert_alone(id: u32) -> String {
    format!(
        "INSERT INTO students VALUES ({id}, 'Hana Tesfaye', 'F', 'Bole', 'Addis Ababa', 'natural_science');
         INSERT INTO natural_science_results VALUES ({id}, 1, 2, 3, 4, 5, 6, 7);"
    )
}

#[test]
fn of_many_differences_the_first_hundred_are_printed_and_the_rest_counted() {
    Results::in_each_database(|results| {
        results.publish();
        results.edit_behind_the_log("UPDATE students SET school = school || '!' WHERE id > 500");
        let ran = results.run(&["verify", "--database"]);
        let lines = ran.found("release 1 is not as it should be: 2500 differences");
        assert_eq!(lines.len(), 101);
        for (line, id) in lines.iter().zip(501..=600) {
            assert_eq!(
                *line,
                format!("release 1: student {id} has another document than the database's row")
            );
        }
        assert_eq!(lines[100], "release 1: and 2400 more");
    });
}

#[test]
fn a_database_that_is_another_or_was_restored_cannot_tell() {
    Results::in_each_database(|results| {
        results.publish();
        let other = Nation::seeded(1, 3_000);
        let other = format!("sqlite:{}", other.path("results.db").display());
        results.run(&["verify", "--database", &other]).failed(1, &[&other, "cannot tell", "release 1"]);
        // A backup from before the release lacks its token.
        results.edit("DELETE FROM release_tokens");
        results.run(&["verify", "--database"]).failed(1, &["cannot tell", "restored from a backup"]);
        results.run(&["verify"]).succeeded();
    });
}

#[test]
fn where_everything_has_changed_nobody_can_be_compared_and_nothing_is_wrong() {
    Results::in_each_database(|results| {
        results.publish();
        results.log_everything();
        results.edit_behind_the_log("DELETE FROM students WHERE id > 1");
        let said = results.compared();
        assert!(said.starts_with("release 1 is whole: 3000 documents in 4 shards"), "{said}");
        let nobody = "; everything has changed in the database since, so nobody could be compared\n";
        assert!(said.ends_with(nobody), "{said}");
    });
}

#[test]
fn the_documents_of_another_renderer_are_not_compared_with_the_database() {
    let nation = Nation::published();
    let mut manifest = nation.manifest(1);
    manifest["renderer"] = 2.into();
    nation.put_manifest(1, &manifest);
    nation.verify();
    let ran = nation.run("publish", &["verify", "--database", "sqlite:results.db"]);
    ran.failed(1, &["renderer 2", "cannot be compared"]);
}

#[test]
fn what_is_damaged_is_named_once_and_not_called_different_from_the_database() {
    let nation = Nation::published();
    let shards = nation.shards(1);
    let mut altered = fs::read(nation.bucket().join(&shards[&1])).unwrap();
    // A byte of the first frame, which belongs to student 1000.
    altered[20] ^= 1;
    fs::write(nation.bucket().join(&shards[&1]), altered).unwrap();
    fs::remove_file(nation.bucket().join(&shards[&2])).unwrap();
    let ran = nation.run("publish", &["verify", "--database", "sqlite:results.db"]);
    let lines = ran.found("release 1 is not as it should be: 3 differences");
    assert!(lines[0].starts_with(&format!("release 1: {} holds other bytes", shards[&1])), "{lines:?}");
    assert!(lines[1].ends_with("the frame of student 1000 does not match its hash"), "{lines:?}");
    assert!(lines[2].starts_with(&format!("release 1: reading {} in the store", shards[&2])), "{lines:?}");
    assert_eq!(lines.len(), 3);
}

#[test]
fn no_database_is_touched_unless_it_is_asked_for() {
    let nation = Nation::published();
    let verify = |url: &str, flags: &[&str]| {
        let mut command = program("publish", &nation.path(""));
        Ran::of(command.env("DATABASE_URL", url).args(["--bucket", "./bucket", "verify"]).args(flags))
    };
    let nowhere = "postgres://nobody@127.0.0.1:1/nothing";
    assert!(verify(nowhere, &[]).succeeded().starts_with("release 1 is whole: 3000 documents"));
    assert!(verify(nowhere, &["--all"]).succeeded().contains("1 of 1 are whole"));
    verify(nowhere, &["--database"]).failed(1, &["127.0.0.1:1"]);
    // What is given goes before what the environment says.
    let said = verify(nowhere, &["--database", "sqlite:results.db"]).succeeded();
    assert!(said.contains("3000 of its students are as in the database"), "{said}");
    verify("sqlite:results.db", &["--database", "1"]).failed(1, &["not the URL of a database"]);
    verify("sqlite:results.db", &["1", "--all"]).failed(2, &["--all"]);
    // Without any of them it is where a publication would look.
    nation.run("publish", &["verify", "--database"]).failed(1, &["var/results.db"]);
}

/// Six releases, of which the last three are kept. Each has its own blob of shard 2.
fn six_releases() -> (Nation, ReleaseStore) {
    let nation = Nation::published();
    for number in 2..=6 {
        if number == 5 {
            // The next release inherits what this one says.
            let mut manifest = nation.manifest(4);
            manifest["oldest"] = 4.into();
            nation.put_manifest(4, &manifest);
        }
        nation.correct(2_500);
        nation.publish();
    }
    let bucket: Bucket = nation.bucket().display().to_string().parse().unwrap();
    (nation, bucket.open().unwrap())
}

#[tokio::test]
async fn all_releases_that_are_kept_are_verified_and_the_others_called_what_they_are() {
    let (nation, store) = six_releases();
    for number in ["1", "2"] {
        store.bury(number.parse().unwrap(), "2026-08-01T00:00:00Z".parse().unwrap()).await.unwrap();
    }
    let said = nation.run("publish", &["verify", "--all", "--database", "sqlite:results.db"]).succeeded();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[0], "releases 1 to 2: collected: only the number is left");
    assert_eq!(lines[1], "release 3: no longer kept, and not collected yet");
    for (line, number) in lines[2..5].iter().zip(4..) {
        assert!(
            line.starts_with(&format!("release {number} is whole: 3000 documents in 4 shards")),
            "{line}"
        );
        let (same, changed) = if number == 6 { ("3000", "0 have") } else { ("2999", "1 has") };
        let compared = format!("; {same} of its students are as in the database, {changed} changed since");
        assert!(line.ends_with(&compared), "{line}");
    }
    assert_eq!(lines[5], "of the releases 4 to 6 that are kept, 3 of 3 are whole");
    assert_eq!(lines.len(), 6);
    // One by one they are what they are, too.
    nation.run("publish", &["verify", "2"]).failed(1, &["release 2 was collected at 2026-08-01T00:00:00Z"]);
    nation.run("publish", &["verify", "3"]).succeeded();
}

#[tokio::test]
async fn a_missing_blob_a_tombstone_among_the_kept_and_a_number_that_is_free_again_are_all_found() {
    let (nation, store) = six_releases();
    let lost = nation.shards(4)[&2].clone();
    fs::remove_file(nation.bucket().join(&lost)).unwrap();
    store.bury("5".parse().unwrap(), "2026-08-01T00:00:00Z".parse().unwrap()).await.unwrap();
    fs::remove_file(nation.manifest_path(1)).unwrap();
    fs::write(nation.manifest_path(2), "{}").unwrap();
    let ran = nation.run("publish", &["verify", "--all"]);
    let lines = ran.found(
        "of the releases 4 to 6 that are kept, 1 of 3 are whole; of those before them, 2 left no tombstone",
    );
    let nonsense = "no longer kept, and what is left is neither a manifest nor a tombstone";
    assert_eq!(lines[0], "release 1: no longer kept, and without a tombstone: the number is free again");
    assert_eq!(lines[1], format!("release 2: {nonsense}"));
    assert_eq!(lines[2], "release 3: no longer kept, and not collected yet");
    assert!(lines[3].starts_with(&format!("release 4: reading {lost} in the store: ")), "{lines:?}");
    assert_eq!(lines[4], "release 4 is not as it should be: 1 difference");
    assert_eq!(lines[5], "release 5 was collected at 2026-08-01T00:00:00Z: only its number is left");
    assert!(lines[6].starts_with("release 6 is whole: 3000 documents"), "{lines:?}");
    assert_eq!(lines.len(), 7);
    fs::remove_file(nation.manifest_path(5)).unwrap();
    let ran = nation.run("publish", &["verify", "--all"]);
    assert_eq!(ran.found("1 of 3 are whole")[5], "there is no release 5");
}
