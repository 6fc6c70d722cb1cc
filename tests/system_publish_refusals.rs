//! Proves that what cannot be published is refused with the right exit status and a message that says what to
//! do, and that a refusal leaves the bucket as it was.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::fs;

use system::{Nation, Ran, files, program};

#[test]
fn what_is_wrong_with_a_run_is_said_in_one_line() {
    let nation = Nation::seeded(1, 100);
    fs::write(nation.path("file"), "not a folder").unwrap();
    fs::write(nation.path("text.db"), "not a database, however long this text may be, and it is long")
        .unwrap();
    let run = |name: &str, flags: &[&str]| Ran::of(program(name, &nation.path("")).args(flags));
    for (name, flags, status, words) in [
        (
            "publish",
            &["--database", "sqlite:none.db", "--bucket", "./b"][..],
            1,
            &["none.db", "No such file"][..],
        ),
        ("publish", &["--database", "sqlite:text.db", "--bucket", "./b"], 1, &["not a SQLite database"]),
        ("publish", &["--database", "sqlite:", "--bucket", "./b"], 1, &["names no file"]),
        (
            "publish",
            &["--database", "oracle:x", "--bucket", "./b"],
            1,
            &["not the URL of a database", "sqlite:PATH"],
        ),
        ("publish", &["--database", "sqlite:results.db", "--bucket", "./file"], 1, &["./file", "exists"]),
        (
            "publish",
            &["--database", "sqlite:results.db", "--bucket", "./file/b"],
            1,
            &["./file/b", "Not a directory"],
        ),
        ("publish", &["--bucket", "gs://results"], 2, &["gs://results", "no store for such a URL"]),
        ("publish", &["--nonsense"], 2, &["--nonsense", "--help"]),
        ("publish", &["verify", "0", "--bucket", "./b"], 2, &["'0'"]),
        ("publish", &["verify", "one", "--bucket", "./b"], 2, &["'one'"]),
        ("publish", &["rollback", "0", "--bucket", "./b"], 2, &["'0'", "a release has a number from 1 up"]),
        ("publish", &["--not-before", "2999-01-01 06:00"], 2, &["give one such as 2026-11-30T06:00:00Z"]),
        ("publish", &["--not-before", "2999-01-01T00:00:00Z", "rollback", "1"], 2, &["are for publishing"]),
        ("publish", &["--watch", "collect"], 2, &["are for publishing"]),
        ("publish", &["verify", "--bucket", "./nowhere"], 1, &["./nowhere", "there is no such directory"]),
        ("publish", &["releases", "--bucket", "./nowhere"], 1, &["./nowhere", "there is no such directory"]),
        ("publish", &["collect", "--bucket", "./nowhere"], 1, &["./nowhere", "there is no such directory"]),
        ("publish", &["verify", "--bucket", "."], 1, &["there is no release"]),
        ("publish", &["verify", "7", "--bucket", "."], 1, &["there is no release 7"]),
        ("db-seeder", &["--students", "0", "--database", "sqlite:n.db"], 2, &["--students"]),
        ("db-seeder", &["--students", "1000000000", "--database", "sqlite:n.db"], 2, &["--students"]),
        (
            "db-seeder",
            &["--students", "100", "--seed", "2", "--database", "sqlite:results.db"],
            1,
            &["another data set", "--seed 1"],
        ),
        ("db-seeder", &["--students", "99", "--database", "sqlite:results.db"], 1, &["--students 100"]),
        ("db-seeder", &["--students", "9", "--database", "sqlite:text.db"], 1, &["not a SQLite database"]),
        (
            "serve",
            &["--bucket", "./file", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
            1,
            &["./file"],
        ),
        (
            "serve",
            &["--cache-dir", "file/c", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
            1,
            &["file/c"],
        ),
        ("serve", &["--listen", "nowhere"], 2, &["nowhere", "127.0.0.1:8081"]),
        ("serve", &["--listen", "unix:"], 2, &["names no path"]),
        (
            "serve",
            &["--cache", "memcached:", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
            1,
            &["not the URL of a cache", "memory:"],
        ),
    ] {
        let ran = run(name, flags);
        ran.failed(status, words);
        assert!(status == 2 || ran.stderr.starts_with(&format!("{name}: ")), "{ran:?}");
        assert!(status == 2 || ran.stderr.lines().count() == 1, "{ran:?}");
    }
    assert!(files(&nation.path("b")).is_empty(), "a refused run wrote something");
}

#[test]
fn help_and_version_are_no_failures() {
    let nation = Nation::empty();
    for name in ["db-seeder", "publish", "serve"] {
        for flag in ["--help", "--version"] {
            let said = Ran::of(program(name, &nation.path("")).arg(flag)).succeeded();
            assert!(flag == "--help" || said.starts_with(&format!("{name} ")), "{said}");
        }
    }
    assert!(files(&nation.path("")).is_empty());
}

#[test]
fn a_bucket_that_is_missing_is_made_with_its_parents() {
    let nation = Nation::seeded(1, 100);
    let flags = ["--database", "sqlite:results.db", "--bucket", "./far/away/bucket"];
    Ran::of(program("publish", &nation.path("")).args(flags)).succeeded();
    Ran::of(program("publish", &nation.path("")).args(["verify", "--bucket", "./far/away/bucket"]))
        .succeeded();
}

#[test]
fn with_no_flags_the_three_programs_meet_in_var() {
    let nation = Nation::empty();
    let run = |name: &str, flags: &[&str]| Ran::of(program(name, &nation.path("")).args(flags)).succeeded();
    assert!(run("db-seeder", &["--students", "100"]).starts_with("seeded 100 students"));
    assert!(run("db-seeder", &["--students", "100"]).contains("nothing to do"));
    assert!(run("publish", &[]).starts_with("release 1: 100 students"));
    assert!(run("publish", &["verify"]).starts_with("release 1 is whole: 100 documents"));
    assert!(nation.path("var/results.db").exists() && nation.path("var/bucket/releases").exists());
}

#[test]
fn a_half_seeded_nation_is_refused() {
    let nation = Nation::seeded(1, 100);
    nation.publish();
    let before = files(&nation.bucket());
    nation.edit("UPDATE data_set SET complete = 0", []);
    nation.correct(7);
    nation.run("publish", &[]).failed(1, &["results.db", "is not complete", "run db-seeder"]);
    assert!(files(&nation.bucket()) == before);
    nation.verify();
}

#[test]
fn an_empty_data_set_is_refused() {
    let nation = Nation::published();
    nation.edit("DELETE FROM students", []);
    nation.run("publish", &[]).failed(1, &["nobody", "empty release"]);
    assert_eq!(nation.releases(), [1]);
    nation.verify();
    // Students without results are no better.
    let other = Nation::seeded(1, 100);
    other.edit("DELETE FROM natural_science_results", []);
    other.edit("DELETE FROM social_science_results", []);
    other.run("publish", &[]).failed(1, &["nobody"]);
    assert_eq!(other.releases(), [0_u64; 0]);
}

#[test]
fn a_database_that_would_not_log_its_changes_is_refused() {
    let nation = Nation::published();
    nation.edit("DROP TRIGGER students_update_logged", []);
    nation.run("publish", &[]).failed(1, &["students_update_logged", "restore the trigger"]);
    assert_eq!(nation.releases(), [1]);
    nation.verify();
}

#[test]
fn a_row_that_breaks_the_rules_is_refused() {
    let nation = Nation::published();
    nation
        .connect()
        .execute_batch("PRAGMA ignore_check_constraints = ON; UPDATE students SET sex = 'X' WHERE id = 7")
        .unwrap();
    nation.run("publish", &[]).failed(1, &["publish: a row is invalid; in a terminal the program names it"]);
    assert_eq!(nation.releases(), [1]);
    nation.verify();
    // Whoever asks for that student is told to wait; the log names nobody.
    let server = nation.serve().serving(1);
    assert_eq!(server.student(7).problem(), "live-unavailable");
    assert!(!server.log().contains("student 7") && !server.log().contains("id=7"), "{}", server.log());
}

#[test]
fn a_broken_newest_manifest_stops_every_publication() {
    let nation = Nation::published();
    nation.correct(7);
    fs::write(nation.manifest_path(2), "{}").unwrap();
    nation.run("publish", &[]).failed(1, &["releases/00000000000000000002.json"]);
    nation.run("publish", &["verify"]).failed(1, &["releases/00000000000000000002.json"]);
    fs::remove_file(nation.manifest_path(2)).unwrap();
    assert!(nation.publish().starts_with("release 2"));
}
