//! The rules by themselves, as `promtool` judges them.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    process::{Command, Stdio},
};

use crate::{
    dashboards::panels,
    files::{alarms, anchors, files, metrics, read, root},
};

#[track_caller]
fn promtool(arguments: &[&OsStr]) {
    let ran =
        Command::new("promtool").args(arguments).current_dir(root()).stdin(Stdio::null()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}");
}

#[test]
fn prometheus_accepts_the_configuration_and_the_rules() {
    promtool(&["check", "config", "infra/prometheus/prometheus.yml"].map(OsStr::new));
}

#[test]
fn every_file_of_rules_is_read_where_parts_are_listed_but_that_of_kubernetes() {
    let read_there = read("infra/prometheus/prometheus.yml");
    for file in files("infra/prometheus/rules", ".yml") {
        let name = file.file_name().unwrap().to_str().unwrap();
        let listed = read_there.contains(&format!("  - rules/{name}\n"));
        assert_eq!(listed, name != "kubernetes.yml", "{name}");
    }
    assert!(read("infra/prometheus/examples/kubernetes.yml").contains("  - rules/*.yml\n"));
}

#[test]
fn every_alarm_fires_in_time_and_none_when_all_is_well() {
    let tests = files("infra/prometheus/tests", ".yml");
    let arguments = ["test", "rules"].map(OsStr::new).into_iter();
    promtool(&arguments.chain(tests.iter().map(|path| path.as_os_str())).collect::<Vec<_>>());
}

#[test]
fn every_alarm_says_what_is_broken_how_urgent_it_is_and_where_to_read_what_to_do() {
    let sections = anchors("docs/OPERATIONS.md");
    let mut linked = BTreeSet::new();
    for alarm in alarms() {
        let severities: &[_] = if alarm.name == "Watchdog" { &["none"] } else { &["critical", "warning"] };
        assert!(severities.contains(&alarm.severity.as_str()), "{alarm:?}");
        assert!(!alarm.summary.is_empty(), "{alarm:?}");
        let anchor = alarm.runbook.strip_prefix("docs/OPERATIONS.md#").unwrap_or_else(|| panic!("{alarm:?}"));
        let section = sections.get(anchor).unwrap_or_else(|| panic!("no section {anchor} for {alarm:?}"));
        let text = read("docs/OPERATIONS.md");
        let section =
            text.split(&format!("### {section}\n")).nth(1).and_then(|rest| rest.split("\n#").next());
        assert!(
            section.is_some_and(|section| section.contains(&format!("`{}`", alarm.name))),
            "the section {anchor} does not know {}",
            alarm.name
        );
        linked.insert(anchor.to_owned());
    }
    assert!(linked.len() > 10, "{linked:?}");
}

#[test]
fn every_alarm_is_seen_to_fire_and_every_series_it_asks_for_is_in_the_healthy_half_hour() {
    let tests: String = files("infra/prometheus/tests", ".yml").iter().map(read).collect();
    let healthy = read("infra/prometheus/tests/healthy.yml");
    for alarm in alarms() {
        let fires = format!("alertname: {}\n        exp_alerts:", alarm.name);
        assert!(tests.contains(&fires), "no test sees {} fire", alarm.name);
        let names = metrics(&alarm.expression);
        for name in names.into_iter().filter(|name| !name.contains(':')) {
            let there = healthy.contains(&format!("{{series: '{name}{{"));
            assert!(there, "{name}, of {}, is not in the healthy half-hour", alarm.name);
        }
    }
}

#[test]
fn what_alarms_and_panels_ask_of_our_programs_is_in_the_catalogue() {
    let catalogue = read("docs/METRICS.md");
    let asked: Vec<String> = alarms().into_iter().map(|alarm| alarm.expression).collect();
    let shown = panels().into_iter().flat_map(|panel| panel.expressions);
    for expression in asked.into_iter().chain(shown) {
        let ours = |name: &&str| {
            !name.contains(':') && ["serve_", "publish_", "seeder_"].iter().any(|it| name.starts_with(it))
        };
        for name in metrics(&expression).into_iter().filter(ours) {
            let family = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(catalogue.contains(&format!("| `{family}` |")), "no {family}, which is in {expression}");
        }
    }
}

#[test]
fn every_deployment_says_the_same_of_the_same_parts() {
    let jobs = |text: &str| -> BTreeSet<String> {
        let labels = text.lines().filter_map(|line| line.strip_prefix("- labels: {"));
        labels
            // Where a probe goes differs, as every address does.
            .map(|labels| labels.split(", __param_target").next().unwrap().trim_end_matches('}').to_owned())
            .collect()
    };
    let folder = "infra/prometheus/targets";
    let stack =
        read(format!("{folder}/stack.yml.template")) + &read(format!("{folder}/watcher.yml.template"));
    assert_eq!(jobs(&read(format!("{folder}/compose.yml"))), jobs(&stack));
}
