//! The dashboards as files: what Grafana would refuse, or show wrongly.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::files::{files, read};

/// A panel that shows something, and the dashboard that it is in.
pub(crate) struct Panel {
    pub(crate) place: String,
    pub(crate) expressions: Vec<String>,
}

fn dashboards() -> Vec<(String, Value)> {
    let files = files("infra/grafana/dashboards", ".json");
    let name = |path: &std::path::Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|path| (name(path), serde_json::from_str(&read(path)).unwrap())).collect()
}

fn array<'json>(value: &'json Value, key: &str) -> &'json [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no {key} in {value}"))
}

/// Every panel of every dashboard, but for headings.
pub(crate) fn panels() -> Vec<Panel> {
    let mut found = Vec::new();
    for (name, dashboard) in dashboards() {
        for panel in array(&dashboard, "panels").iter().filter(|panel| panel["type"] != "row") {
            let expression = |target: &Value| target["expr"].as_str().unwrap().to_owned();
            found.push(Panel {
                place: format!("{name}, {}", panel["title"]),
                expressions: array(panel, "targets").iter().map(expression).collect(),
            });
        }
    }
    found
}

/// A rectangle of the grid, which is 24 wide.
#[derive(Debug, Clone, Copy)]
struct Place {
    x: u64,
    y: u64,
    w: u64,
    h: u64,
}

impl Place {
    fn of(panel: &Value) -> Self {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        Self { x, y, w, h }
    }

    fn overlaps(self, other: Self) -> bool {
        self.x < other.x + other.w
            && other.x < self.x + self.w
            && self.y < other.y + other.h
            && other.y < self.y + self.h
    }
}

#[test]
fn panels_lie_beside_each_other_and_have_ids_of_their_own() {
    let mut names = BTreeSet::new();
    for (name, dashboard) in dashboards() {
        assert_eq!(dashboard["uid"], name, "a dashboard is called as its file");
        assert!(names.insert(dashboard["title"].to_string()), "{name} has the title of another");
        let panels = array(&dashboard, "panels");
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "an id comes twice in {name}");
        let places: Vec<_> = panels.iter().map(Place::of).collect();
        for (number, place) in places.iter().enumerate() {
            assert!(place.w > 0 && place.h > 0 && place.x + place.w <= 24, "{name}: {place:?}");
            let over = places[..number].iter().find(|other| place.overlaps(**other));
            assert!(over.is_none(), "{name}: {place:?} lies over {over:?}");
        }
    }
    assert_eq!(names.len(), 3);
}

#[test]
fn every_panel_asks_the_provisioned_data_source_and_says_what_it_shows() {
    let provisioned = read("infra/grafana/provisioning/datasources/prometheus.yml");
    let uid = provisioned.lines().find_map(|line| line.trim().strip_prefix("uid: ")).unwrap();
    let source = serde_json::json!({"type": "prometheus", "uid": uid});
    for (name, dashboard) in dashboards() {
        for panel in array(&dashboard, "panels").iter().filter(|panel| panel["type"] != "row") {
            let text = |key: &str| panel[key].as_str().is_some_and(|text| !text.is_empty());
            assert!(text("title") && text("description"), "{name}: {panel}");
            assert_eq!(panel["datasource"], source, "{name}: {panel}");
            let targets = array(panel, "targets");
            let references: BTreeSet<_> = targets.iter().map(|target| target["refId"].to_string()).collect();
            assert_eq!(references.len(), targets.len(), "{name}: {panel}");
            for target in targets {
                assert_eq!(target["datasource"], source, "{name}: {panel}");
                // A variable of Grafana's could be tested only by Grafana.
                assert!(!target["expr"].as_str().unwrap().contains('$'), "{name}: {target}");
            }
        }
    }
}

#[test]
fn the_top_row_of_results_day_says_of_every_part_whether_it_is_up() {
    let (_, dashboard) = dashboards().into_iter().find(|(name, _)| name == "results-day").unwrap();
    let top = array(&dashboard, "panels").iter().filter(|panel| panel["gridPos"]["y"] == 0);
    let shown: String = top.map(|panel| panel["targets"].to_string()).collect();
    for job in ["serve", "nginx", "postgres", "redis", "minio", "publish"] {
        assert!(shown.contains(&format!("job=\\\"{job}\\\"")), "{job} is not in {shown}");
    }
}
