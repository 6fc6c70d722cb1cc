//! Proves that `serve` tells Prometheus what it does: values move as they should, and no label grows.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use system::{Client, Metrics, Nation, Server, eventually, within};

fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Waits until a series has this value.
#[track_caller]
fn becomes(server: &Server, limit: u64, series: &str, value: f64) -> Metrics {
    within(Duration::from_secs(limit), &format!("{series} becomes {value}"), || {
        let metrics = server.metrics();
        (metrics.value(series) == value).then_some(metrics)
    })
}

fn counts(kinds: &[(&str, &str, &str, &str, u32)]) -> BTreeMap<String, f64> {
    let series = |(route, status, encoding, origin, count): &(&str, &str, &str, &str, u32)| {
        let labels =
            format!("{{route=\"{route}\",status=\"{status}\",encoding=\"{encoding}\",origin=\"{origin}\"}}");
        (labels, f64::from(*count))
    };
    kinds.iter().map(series).collect()
}

#[test]
fn an_answer_counts_by_its_route_its_status_its_encoding_and_its_origin() {
    let nation = Nation::published();
    let server = nation.serve().serving(1);
    nation.correct(9);
    becomes(&server, 5, "serve_changed_since_release_students", 1.0);
    let before = server.metrics();
    let mut client = server.client();
    let mut ask = |method: &str, target: &str, headers: &[(&str, &str)], status: u16| {
        let answer = client.ask(method, target, headers);
        assert_eq!(answer.status, status, "{target}: {answer:?}");
        answer
    };
    for (coding, times) in [("zstd", 3), ("gzip", 2), ("identity", 1)] {
        for _ in 0..times {
            ask("GET", "/student/7.json", &[("accept-encoding", coding)], 200);
        }
    }
    let tag = ask("HEAD", "/student/7.json", &[], 200).header("etag").unwrap().to_owned();
    ask("GET", "/student/7.json", &[("if-none-match", &tag)], 304);
    for target in ["/student/5000.json", "/student/6000.json"] {
        ask("GET", target, &[], 404);
    }
    ask("GET", "/student/0x7.json", &[], 400);
    ask("POST", "/student/7.json", &[("content-length", "0")], 405);
    ask("GET", "/student/7.json", &[("accept-encoding", "*;q=0")], 406);
    // Once from the database, then from the cache.
    let tag =
        ask("GET", "/student/9.json", &[("accept-encoding", "zstd")], 200).header("etag").unwrap().to_owned();
    ask("GET", "/student/9.json", &[("accept-encoding", "gzip")], 200);
    ask("GET", "/student/9.json", &[("accept-encoding", "zstd"), ("if-none-match", &tag)], 304);
    ask("GET", "/student/11", &[], 200);
    ask("GET", "/student/5000", &[], 404);
    ask("GET", "/release.json", &[], 200);
    ask("GET", "/", &[], 404);
    ask("OPTIONS", "/student/7.json", &[], 200);
    let after = server.metrics();
    assert_eq!(
        after.grown("serve_requests_total", &before),
        counts(&[
            ("student", "2xx", "zstd", "static", 3),
            ("student", "2xx", "gzip", "static", 2),
            ("student", "2xx", "identity", "static", 2),
            ("student", "3xx", "none", "static", 1),
            ("student", "4xx", "none", "none", 5),
            ("student", "2xx", "zstd", "database", 1),
            ("student", "2xx", "gzip", "cache", 1),
            ("student", "3xx", "none", "cache", 1),
            ("student", "2xx", "none", "none", 1),
            ("live", "2xx", "identity", "database", 1),
            ("live", "4xx", "none", "none", 1),
            ("release", "2xx", "none", "none", 1),
            ("other", "4xx", "none", "none", 1),
        ])
    );
    let problems = [
        ("{problem=\"unknown-student\"}", 3.0),
        ("{problem=\"invalid-student-id\"}", 1.0),
        ("{problem=\"method-not-allowed\"}", 1.0),
        ("{problem=\"not-acceptable\"}", 1.0),
        ("{problem=\"unknown-path\"}", 1.0),
    ];
    let problems: BTreeMap<_, _> = problems.map(|(problem, count)| (problem.to_owned(), count)).into();
    assert_eq!(after.grown("serve_problems_total", &before), problems);
    for (origin, answers) in [("static", 8.0), ("database", 2.0), ("cache", 2.0), ("none", 9.0)] {
        let series = |end: &str, bound: &str| {
            format!("serve_request_duration_seconds_{end}{{{bound}origin=\"{origin}\"}}")
        };
        assert_eq!(after.growth(&series("count", ""), &before), answers, "{origin}");
        assert_eq!(after.growth(&series("bucket", "le=\"2.5\","), &before), answers, "{origin}");
        let took = after.growth(&series("sum", ""), &before);
        assert!(took > 0.0 && took < 2.5 * answers, "{origin}: {took} s");
    }
    for (series, growth) in [
        ("serve_live_lookups_total{result=\"found\"}", 4.0),
        ("serve_live_lookups_total{result=\"absent\"}", 1.0),
        ("serve_live_lookups_total{result=\"failed\"}", 0.0),
        ("serve_live_duration_seconds_count", 5.0),
        ("serve_live_cache_total{result=\"hit\"}", 2.0),
        ("serve_live_cache_total{result=\"miss\"}", 3.0),
        ("serve_live_cache_total{result=\"error\"}", 0.0),
        ("serve_connections_accepted_total", 1.0),
    ] {
        assert_eq!(after.growth(series, &before), growth, "{series}");
    }
    assert_eq!(after.value("serve_live_in_flight"), 0.0);
    assert_eq!(after.value("serve_live_cache_up"), 1.0);
    nation.correct(9);
    eventually("the entry is stale", || {
        server.student(9);
        let stale = "serve_live_cache_total{result=\"stale\"}";
        (server.metrics().value(stale) > 0.0).then_some(())
    });
}

#[test]
fn asking_for_ten_thousand_ids_makes_no_more_series_than_asking_for_ten() {
    let nation = Nation::published();
    let server = nation.serve().serving(1);
    nation.correct(9);
    becomes(&server, 5, "serve_changed_since_release_students", 1.0);
    let mut client = server.client();
    let series = |client: &mut Client, ids: std::ops::RangeInclusive<u32>| {
        for id in ids {
            for target in [format!("/student/{id}.json"), format!("/student/x{id}.json"), format!("/{id}")] {
                client.get(&target);
            }
        }
        server.metrics().series.into_keys().collect::<BTreeSet<_>>()
    };
    let few = series(&mut client, 1..=10);
    let many = series(&mut client, 1..=10_000);
    assert_eq!(few, many);
    assert!(few.len() < 250, "{} series", few.len());
    let answers: f64 = server
        .metrics()
        .series
        .iter()
        .filter(|(series, _)| series.starts_with("serve_requests_total{"))
        .map(|(_, answers)| answers)
        .sum();
    assert!(answers >= 30_030.0, "{answers}");
}

#[test]
fn what_is_served_is_told() {
    let started = now();
    let nation = Nation::published();
    let server = nation.serve().serving(1);
    let metrics = becomes(&server, 5, "serve_cache_written", 1.0);
    let manifest = nation.manifest(1);
    let shards = manifest["shards"].as_array().unwrap();
    let bytes: u64 = shards.iter().map(|shard| shard["bytes"].as_u64().unwrap()).sum();
    for (series, value) in [
        ("serve_build_info{version=\"0.1.0\"}", 1.0),
        ("serve_ready", 1.0),
        ("serve_draining", 0.0),
        ("serve_release_number", 1.0),
        ("serve_release_students", 3_000.0),
        ("serve_release_shards", 4.0),
        ("serve_release_bytes", bytes as f64),
        ("serve_release_visible", 1.0),
        ("serve_release_not_before_timestamp_seconds", 0.0),
        ("serve_clock_steady", 1.0),
        ("serve_store_up", 1.0),
        ("serve_release_fetch_failures_total", 0.0),
        ("serve_shards_in_memory", 0.0),
        ("serve_cache_repairs_total{cause=\"damaged\"}", 0.0),
        ("serve_cache_repairs_total{cause=\"missing\"}", 0.0),
        ("serve_database_up", 1.0),
        ("serve_changed_students", 0.0),
        ("serve_everything_changed", 0.0),
        ("serve_database_connections_max", 4.0),
        ("tokio_workers{runtime=\"background\"}", 2.0),
    ] {
        assert_eq!(metrics.value(series), value, "{series}");
    }
    for series in [
        "serve_release_created_timestamp_seconds",
        "serve_release_changed_timestamp_seconds",
        "serve_release_checked_timestamp_seconds",
        "serve_changes_heard_timestamp_seconds",
    ] {
        let instant = metrics.value(series);
        assert!(instant >= started - 1.0 && instant <= now() + 1.0, "{series}: {instant}");
    }
    let everything_changes = "BEGIN; UPDATE data_set SET revision = revision + 1;
        INSERT OR REPLACE INTO changes SELECT 0, revision, 1 FROM data_set; COMMIT";
    nation.connect().execute_batch(everything_changes).unwrap();
    becomes(&server, 5, "serve_everything_changed", 1.0);
    nation.publish();
    let metrics = becomes(&server, 5, "serve_release_number", 2.0);
    assert_eq!(metrics.value("serve_everything_changed"), 0.0);
    // A cached shard that somebody deletes is written again.
    let shards = nation.path("cache/shards");
    std::fs::remove_file(std::fs::read_dir(shards).unwrap().next().unwrap().unwrap().path()).unwrap();
    becomes(&server, 15, "serve_cache_repairs_total{cause=\"missing\"}", 1.0);
    becomes(&server, 5, "serve_cache_written", 1.0);
}

#[test]
fn connections_are_counted_while_they_last() {
    let nation = Nation::published();
    let mut server = nation.serve().serving(1);
    // Those of the questions above may be closing still.
    becomes(&server, 5, "serve_connections", 0.0);
    let before = server.metrics();
    let clients: Vec<_> = (0..5)
        .map(|_| {
            let mut client = server.client();
            client.get("/release.json");
            client
        })
        .collect();
    let metrics = server.metrics();
    assert_eq!(metrics.value("serve_connections"), 5.0);
    assert_eq!(metrics.growth("serve_connections_accepted_total", &before), 5.0);
    drop(clients);
    let metrics = becomes(&server, 5, "serve_connections", 0.0);
    assert_eq!(metrics.growth("serve_connections_accepted_total", &before), 5.0);
    let _idle = server.client();
    becomes(&server, 5, "serve_connections", 1.0);
    server.terminate();
    let metrics = becomes(&server, 2, "serve_draining", 1.0);
    assert_eq!(metrics.value("serve_ready"), 0.0);
    assert!(server.ended().success());
}

#[test]
fn a_release_under_embargo_is_loaded_and_not_visible() {
    let nation = Nation::seeded(1, 1_000);
    nation.run("publish", &["--not-before", "2099-01-01T00:00:00Z"]).succeeded();
    let server = nation.serve().serving(1);
    for _ in 0..3 {
        assert_eq!(server.student(7).problem(), "embargoed");
    }
    let metrics = server.metrics();
    for (series, value) in [
        ("serve_problems_total{problem=\"embargoed\"}", 3.0),
        ("serve_release_number", 1.0),
        ("serve_release_visible", 0.0),
        ("serve_release_not_before_timestamp_seconds", 4_070_908_800.0),
        ("serve_clock_steady", 1.0),
        ("serve_ready", 1.0),
    ] {
        assert_eq!(metrics.value(series), value, "{series}");
    }
}

#[test]
fn a_database_that_is_away_is_told_within_two_seconds_and_so_is_its_return() {
    let nation = Nation::published();
    let server = nation.serve().serving(1);
    nation.correct(9);
    becomes(&server, 5, "serve_changed_since_release_students", 1.0);
    nation.take_database_away();
    let metrics = becomes(&server, 2, "serve_database_up", 0.0);
    let heard = metrics.value("serve_changes_heard_timestamp_seconds");
    assert_eq!(server.student(9).problem(), "live-unavailable");
    assert_eq!(server.student(7).status, 200);
    let metrics = server.metrics();
    // Reckoned back from now, to a thousandth of a second.
    let since = metrics.value("serve_changes_heard_timestamp_seconds") - heard;
    assert!(since.abs() < 0.01, "it was heard {since} s later");
    for (series, value) in [
        ("serve_problems_total{problem=\"live-unavailable\"}", 1.0),
        ("serve_live_lookups_total{result=\"failed\"}", 1.0),
        ("serve_changed_since_release_students", 1.0),
        ("serve_ready", 1.0),
        ("serve_cache_written", 1.0),
    ] {
        assert_eq!(metrics.value(series), value, "{series}");
    }
    nation.bring_database_back();
    let metrics = becomes(&server, 5, "serve_database_up", 1.0);
    assert!(metrics.value("serve_changes_heard_timestamp_seconds") > heard);
}

#[test]
fn a_store_that_does_not_answer_is_told() {
    let nation = Nation::published();
    let mut server = nation.serve().serving(1);
    becomes(&server, 5, "serve_cache_written", 1.0);
    server.kill();
    let nobody = BTreeMap::from(
        [
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ("AWS_ACCESS_KEY_ID", "nobody"),
            ("AWS_SECRET_ACCESS_KEY", "nothing"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ALLOW_HTTP", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let flags = ["--bucket", "results", "--database", "sqlite:results.db"];
    let server = Server::start_in(&nation.path(""), &flags, &nobody);
    let metrics = within(Duration::from_secs(15), "a failure is told", || {
        let metrics = server.metrics();
        (metrics.value("serve_release_fetch_failures_total") > 0.0).then_some(metrics)
    });
    assert_eq!(metrics.value("serve_store_up"), 0.0);
    assert_eq!(metrics.value("serve_release_checked_timestamp_seconds"), 0.0);
    assert_eq!(metrics.value("serve_release_number"), 1.0);
    assert_eq!(server.student(7).status, 200);
}
