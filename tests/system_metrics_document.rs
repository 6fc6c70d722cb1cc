//! Proves that `docs/METRICS.md` lists what the programs tell Prometheus, and nothing else.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::{collections::BTreeSet, fs};

use system::{Family, Metrics, Nation, eventually};

/// The tables of the document, in its order.
const SERVE: usize = 0;
const WITH_A_DATABASE: usize = 1;
const PUBLISH: usize = 2;
const WATCHER: usize = 3;
const SEEDER: usize = 4;
const PROCESS: usize = 5;
const RUNTIMES: usize = 6;

/// The families that these tables of the document list.
fn documented(tables: &[usize]) -> BTreeSet<Family> {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/METRICS.md")).unwrap();
    let listed: Vec<_> = document.split("\n| family |").skip(1).collect();
    assert_eq!(listed.len(), RUNTIMES + 1);
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    let rows = tables.iter().flat_map(|table| listed[*table].lines().filter(|line| line.starts_with("| `")));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        assert!(!cells[4].is_empty(), "{row} has no meaning");
        (quoted(cells[1]).pop_first().unwrap(), cells[2].to_owned(), quoted(cells[3]))
    })
    .collect()
}

#[track_caller]
fn is_documented(metrics: &Metrics, tables: &[usize]) {
    let (told, documented) = (metrics.families(), documented(tables));
    let missing: Vec<_> = told.difference(&documented).collect();
    let untold: Vec<_> = documented.difference(&told).collect();
    assert!(
        missing.is_empty() && untold.is_empty(),
        "not in the document: {missing:?}; not told: {untold:?}"
    );
}

#[test]
fn the_document_lists_what_a_server_tells_and_nothing_else() {
    let nation = Nation::published();
    let server = nation.serve().serving(1);
    is_documented(&server.metrics(), &[SERVE, WITH_A_DATABASE, PROCESS, RUNTIMES]);
    let server = nation.serve_with(&["--cache-dir", "static"]).serving(1);
    is_documented(&server.metrics(), &[SERVE, PROCESS, RUNTIMES]);
}

#[test]
fn the_document_lists_what_a_watcher_tells_and_nothing_else() {
    let nation = Nation::seeded(1, 100);
    let watcher = nation.watch(&["--metrics", "127.0.0.1:0"]);
    watcher.publishes(1);
    let address = watcher.told_at();
    // A publication that is over is told of a moment later.
    let metrics = eventually("the release is told of", || {
        let metrics = Metrics::at(&address);
        let found = metrics.series.contains_key("publish_store_up")
            && metrics.series.contains_key("publish_last_success_timestamp_seconds{command=\"publish\"}");
        found.then_some(metrics)
    });
    let mut families = metrics.families();
    // Nothing has failed yet.
    let failure = "publish_last_failure_timestamp_seconds";
    families.retain(|(name, ..)| name != failure);
    let mut documented = documented(&[PUBLISH, WATCHER, PROCESS]);
    documented.retain(|(name, ..)| name != failure);
    assert_eq!(families, documented);
}

#[test]
fn the_document_lists_what_files_tell_and_nothing_else() {
    let nation = Nation::seeded(1, 100);
    let file = ["--metrics-file", "runs.prom"];
    let told = |name: &str| Metrics::read(&fs::read_to_string(nation.path(name)).unwrap());
    nation.run("publish", &file).succeeded();
    nation.run("publish", &["--database", "sqlite:none.db", "--metrics-file", "none.prom"]);
    assert!(!nation.path("none.prom").exists(), "what was asked for wrongly is no run");
    nation.take_database_away();
    nation.run("publish", &file).failed(1, &["publish: "]);
    is_documented(&told("runs.prom"), &[PUBLISH]);
    nation.bring_database_back();
    let seed = ["--metrics-file", "seeder.prom", "--students", "100"];
    nation.run("db-seeder", &seed).succeeded();
    nation
        .run("db-seeder", &["--metrics-file", "seeder.prom", "--students", "7"])
        .failed(1, &["db-seeder: "]);
    is_documented(&told("seeder.prom"), &[SEEDER]);
}
