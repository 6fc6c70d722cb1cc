//! Proves that `publish` and `db-seeder` tell Prometheus what they do: a watcher at an address, every other run in a
//! file.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::{
    fs,
    time::{Duration, SystemTime},
};

use system::{Client, Metrics, Nation, Ran, eventually, program, within};

fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

#[track_caller]
fn becomes(address: &str, series: &str, value: f64) -> Metrics {
    within(Duration::from_secs(15), &format!("{series} becomes {value}"), || {
        let metrics = Metrics::at(address);
        (metrics.series.get(series) == Some(&value)).then_some(metrics)
    })
}

#[track_caller]
fn has(metrics: &Metrics, values: &[(&str, f64)]) {
    for (series, value) in values {
        assert_eq!(metrics.value(series), *value, "{series}");
    }
}

const PUBLISHED: &str = "publish_runs_total{command=\"publish\",outcome=\"published\"}";
const FAILED: &str = "publish_runs_total{command=\"publish\",outcome=\"failed\"}";
const SUCCESS: &str = "publish_last_success_timestamp_seconds{command=\"publish\"}";
const FAILURE: &str = "publish_last_failure_timestamp_seconds{command=\"publish\"}";

#[test]
fn a_watcher_tells_what_it_publishes_and_what_waits() {
    let nation = Nation::seeded(1, 3_000);
    let started = now();
    let flags = ["--quiet", "1s", "--max-wait", "10s", "--metrics", "127.0.0.1:0"];
    let watcher = nation.watch(&flags);
    let address = watcher.told_at();
    assert_eq!(Client::tcp(&address).unwrap().get("/healthz").body, b"alive\n");
    watcher.publishes(1);
    let first = becomes(&address, "publish_store_up", 1.0);
    has(
        &first,
        &[
            ("publish_leading", 1.0),
            ("publish_database_up", 1.0),
            ("publish_trouble{part=\"database\"}", 0.0),
            ("publish_trouble{part=\"store\"}", 0.0),
            ("publish_trouble{part=\"data\"}", 0.0),
            (PUBLISHED, 1.0),
            (FAILED, 0.0),
            ("publish_release_number", 1.0),
            ("publish_release_students", 3_000.0),
            ("publish_rows_read_total", 3_000.0),
            ("publish_students_rendered_total", 3_000.0),
            ("publish_shards_total{action=\"rendered\"}", 4.0),
            ("publish_shards_total{action=\"patched\"}", 0.0),
            ("publish_shards_total{action=\"kept\"}", 0.0),
            ("publish_races_lost_total", 0.0),
        ],
    );
    let bytes: u64 = nation.manifest(1)["shards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|shard| shard["bytes"].as_u64().unwrap())
        .sum();
    assert_eq!(first.value("publish_uploaded_bytes_total"), bytes as f64);
    for series in [SUCCESS, "publish_release_created_timestamp_seconds"] {
        assert!(first.value(series) >= started - 1.0 && first.value(series) <= now() + 1.0, "{series}");
    }
    let phases: f64 = ["plan", "probe", "render", "commit"]
        .map(|phase| first.value(&format!("publish_phase_seconds{{phase=\"{phase}\"}}")))
        .iter()
        .sum();
    let took = first.value("publish_duration_seconds{command=\"publish\"}");
    assert!(phases > 0.0 && phases <= took, "{phases} of {took}");

    nation.correct(7);
    let waiting = becomes(&address, "publish_changes_pending", 1.0);
    let since = waiting.value("publish_changes_waiting_since_timestamp_seconds");
    assert!(since > started && since <= now(), "{since}");
    watcher.publishes(2);
    let second = becomes(&address, "publish_changes_pending", 0.0);
    has(
        &second,
        &[
            ("publish_changes_waiting_since_timestamp_seconds", 0.0),
            (PUBLISHED, 2.0),
            ("publish_release_number", 2.0),
            ("publish_rows_read_total", 3_001.0),
            ("publish_students_rendered_total", 3_001.0),
            ("publish_shards_total{action=\"rendered\"}", 4.0),
            ("publish_shards_total{action=\"patched\"}", 1.0),
            ("publish_shards_total{action=\"kept\"}", 3.0),
        ],
    );

    let stand_by = nation.watch(&flags).standing_by();
    let standing_by = becomes(&stand_by.told_at(), "publish_database_up", 1.0);
    assert_eq!(standing_by.value("publish_leading"), 0.0);
    assert!(!standing_by.series.contains_key("publish_store_up"));
    assert!(!standing_by.series.contains_key("publish_release_number"));
}

#[test]
fn a_watcher_tells_what_is_wrong_until_it_is_right_again() {
    let nation = Nation::published();
    let watcher =
        nation.watch(&["--quiet", "300ms", "--max-wait", "2s", "--metrics", "127.0.0.1:0"]).leading();
    let address = watcher.told_at();
    becomes(&address, "publish_store_up", 1.0);
    nation.take_database_away();
    let metrics = becomes(&address, "publish_trouble{part=\"database\"}", 1.0);
    assert_eq!(metrics.value("publish_database_up"), 0.0);
    nation.bring_database_back();
    let metrics = becomes(&address, "publish_trouble{part=\"database\"}", 0.0);
    assert_eq!(metrics.value("publish_database_up"), 1.0);

    let database = nation.connect();
    database.pragma_update(None, "ignore_check_constraints", true).unwrap();
    database.execute("UPDATE students SET sex = 'X' WHERE id = 7", []).unwrap();
    let metrics = becomes(&address, "publish_trouble{part=\"data\"}", 1.0);
    assert!(metrics.value(FAILED) >= 1.0 && metrics.value(FAILURE) > 0.0);
    assert_eq!(metrics.value("publish_trouble{part=\"database\"}"), 0.0);
    database.execute("UPDATE students SET sex = 'F' WHERE id = 7", []).unwrap();
    let metrics = becomes(&address, "publish_trouble{part=\"data\"}", 0.0);
    assert_eq!(metrics.value(PUBLISHED), 1.0);
}

#[test]
fn a_run_tells_in_a_file_how_it_went_on_top_of_the_earlier_ones() {
    let nation = Nation::seeded(1, 3_000);
    let path = nation.path("runs.prom");
    let told = || Metrics::read(&fs::read_to_string(&path).unwrap());
    let run = |flags: &[&str]| nation.run("publish", &[&["--metrics-file", "runs.prom"], flags].concat());
    run(&[]).succeeded();
    let first = told();
    has(
        &first,
        &[
            (PUBLISHED, 1.0),
            (FAILED, 0.0),
            ("publish_release_number", 1.0),
            ("publish_release_students", 3_000.0),
            ("publish_rows_read_total", 3_000.0),
            ("publish_shards_total{action=\"rendered\"}", 4.0),
        ],
    );
    assert!(!first.series.contains_key(FAILURE));
    assert!(!first.types.keys().any(|name| name.starts_with("process_")), "those are node exporter's");
    run(&[]).succeeded();
    nation.correct(7);
    run(&[]).succeeded();
    has(
        &told(),
        &[
            (PUBLISHED, 2.0),
            ("publish_runs_total{command=\"publish\",outcome=\"unchanged\"}", 1.0),
            ("publish_release_number", 2.0),
            ("publish_rows_read_total", 3_001.0),
            ("publish_shards_total{action=\"patched\"}", 1.0),
            ("publish_shards_total{action=\"kept\"}", 3.0),
        ],
    );
    let succeeded = told().value(SUCCESS);
    nation.take_database_away();
    run(&[]).failed(1, &["publish: "]);
    nation.bring_database_back();
    let failed = told();
    has(&failed, &[(PUBLISHED, 2.0), (FAILED, 1.0), (SUCCESS, succeeded), ("publish_release_number", 2.0)]);
    assert!(failed.value(FAILURE) >= succeeded);

    run(&["rollback", "1"]).succeeded();
    run(&["verify"]).succeeded();
    run(&["collect"]).succeeded();
    // What was written in this very second is left alone.
    eventually("something is collected", || {
        run(&["collect", "--delete", "--keep", "1", "--grace", "0s"]).succeeded();
        (told().value("publish_collected_objects_total") >= 1.0).then_some(())
    });
    run(&["rollback", "1"]).failed(1, &["publish: "]);
    let last = told();
    let runs = |command: &str, outcome: &str| {
        last.value(&format!("publish_runs_total{{command=\"{command}\",outcome=\"{outcome}\"}}"))
    };
    assert_eq!((runs("rollback", "rolled-back"), runs("rollback", "failed")), (1.0, 1.0));
    assert_eq!((runs("verify", "verified"), runs("verify", "failed")), (1.0, 0.0));
    assert!(runs("collect", "collected") >= 1.0 && runs("collect", "unchanged") >= 1.0);
    assert!(last.value("publish_collected_bytes_total") > 0.0);
    has(&last, &[(PUBLISHED, 2.0), (SUCCESS, succeeded), ("publish_release_number", 3.0)]);
    for command in ["rollback", "verify", "collect"] {
        let success = format!("publish_last_success_timestamp_seconds{{command=\"{command}\"}}");
        assert!(last.value(&success) >= succeeded, "{success}");
    }
    assert!(!nation.path("runs.new").exists());
}

#[test]
fn an_hour_that_cannot_be_had_is_told_to_who_asks_and_is_no_run_that_failed() {
    let nation = Nation::seeded(1, 100);
    let run = |flags: &[&str]| nation.run("publish", &[&["--metrics-file", "runs.prom"], flags].concat());
    run(&[]).succeeded();
    let before = fs::read_to_string(nation.path("runs.prom")).unwrap();
    run(&["--not-before", "2099-01-01T00:00:00Z"]).failed(1, &["publish: ", "are visible"]);
    assert_eq!(fs::read_to_string(nation.path("runs.prom")).unwrap(), before);
}

#[test]
fn a_seeder_tells_in_a_file_how_it_went() {
    let nation = Nation::empty();
    let told = || Metrics::read(&fs::read_to_string(nation.path("seeder.prom")).unwrap());
    let run =
        |students: &str| nation.run("db-seeder", &["--metrics-file", "seeder.prom", "--students", students]);
    run("3000").succeeded();
    run("3000").succeeded();
    run("7").failed(1, &["db-seeder: "]);
    let metrics = told();
    has(
        &metrics,
        &[
            ("seeder_runs_total{outcome=\"seeded\"}", 1.0),
            ("seeder_runs_total{outcome=\"unchanged\"}", 1.0),
            ("seeder_runs_total{outcome=\"failed\"}", 1.0),
            ("seeder_students_loaded_total", 3_000.0),
            ("seeder_documents_cached_total", 0.0),
        ],
    );
    let (success, failure) = (
        metrics.value("seeder_last_success_timestamp_seconds"),
        metrics.value("seeder_last_failure_timestamp_seconds"),
    );
    assert!(success > now() - 60.0 && failure >= success && failure <= now() + 1.0);
}

#[test]
fn where_it_is_told_is_said_to_whom_it_concerns() {
    let nation = Nation::seeded(1, 100);
    for (flags, words) in [
        (&["--metrics", "127.0.0.1:0"][..], "--metrics is for --watch"),
        (&["--metrics", "127.0.0.1:0", "releases"], "--metrics is for --watch"),
        (&["--watch", "--metrics-file", "runs.prom"], "--metrics-file is for a run that ends"),
        (&["--watch", "--metrics", "here"], "--metrics <ADDRESS>"),
    ] {
        Ran::of(program("publish", &nation.path("")).args(flags)).failed(2, &[words]);
    }
    // What comes from the environment is left to whom it concerns.
    let run = |flags: &[&str]| {
        let mut command = program("publish", &nation.path(""));
        command.args(["--database", "sqlite:results.db", "--bucket", "./bucket"]).args(flags);
        command.envs([("METRICS", "127.0.0.1:0"), ("METRICS_FILE", "runs.prom")]);
        command
    };
    Ran::of(&mut run(&[])).succeeded();
    assert_eq!(Metrics::read(&fs::read_to_string(nation.path("runs.prom")).unwrap()).value(PUBLISHED), 1.0);
    let watcher = system::Watcher::start(&mut run(&["--watch"]));
    becomes(&watcher.told_at(), "publish_leading", 1.0);
    // A file that cannot be written is no failure of what was done.
    let told_nowhere = nation.run("publish", &["--metrics-file", "none/runs.prom"]);
    assert_eq!(told_nowhere.status, Some(0));
    for words in ["how the run went could not be written down", "file=none/runs.prom"] {
        assert!(told_nowhere.stderr.contains(words), "{}", told_nowhere.stderr);
    }
    let in_use = watcher.told_at();
    let mut second = run(&["--watch", "--metrics", &in_use]);
    Ran::of(&mut second).failed(1, &["publish: listening on", "in use"]);
    eventually("the first goes on", || (Client::tcp(&in_use).is_ok()).then_some(()));
}
