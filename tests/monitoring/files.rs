//! What the files of `infra` and the runbook say.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// A rule that raises an alarm, as its file says it.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    pub(crate) name: String,
    pub(crate) expression: String,
    pub(crate) severity: String,
    pub(crate) summary: String,
    pub(crate) runbook: String,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of a folder that end like this, in order.
pub(crate) fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.to_str().unwrap().ends_with(end)).collect();
    files.sort();
    assert!(!files.is_empty(), "nothing in {folder} ends in {end}");
    files
}

/// All alarms there are. The files are YAML of the plainest kind: a key a line, longer expressions indented below.
pub(crate) fn alarms() -> Vec<Alarm> {
    let mut alarms: Vec<Alarm> = Vec::new();
    for file in files("infra/prometheus/rules", ".yml") {
        let text = read(file);
        let mut key = "";
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix("- alert: ") {
                alarms.push(Alarm { name: name.to_owned(), ..Alarm::default() });
                continue;
            }
            if line.starts_with("- ") {
                key = "";
                continue;
            }
            let value = match line.split_once(':') {
                Some((
                    found @ ("expr" | "for" | "labels" | "annotations" | "summary" | "runbook"),
                    value,
                )) => {
                    key = found;
                    value.trim()
                }
                _ => line,
            };
            let Some(alarm) = alarms.last_mut() else { continue };
            match key {
                "expr" => alarm.expression.extend([value, " "]),
                "labels" => alarm.severity = value.replace("{severity: ", "").replace('}', ""),
                "summary" => alarm.summary = value.trim_matches('"').to_owned(),
                "runbook" => alarm.runbook = value.to_owned(),
                _ => {}
            }
        }
    }
    alarms
}

/// The names of metrics in an expression, of those that are scraped.
pub(crate) fn metrics(expression: &str) -> Vec<&str> {
    let words = expression.split(|letter: char| !(letter.is_ascii_alphanumeric() || "_:".contains(letter)));
    let prefixes = [
        "serve_",
        "publish_",
        "seeder_",
        "process_",
        "nginx_",
        "pg_",
        "redis_",
        "minio_",
        "node_",
        "prometheus_",
        "probe_",
    ];
    words.filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix))).collect()
}

/// The headings of a Markdown file, by the anchors that they get.
pub(crate) fn anchors(path: &str) -> BTreeMap<String, String> {
    let text = read(path);
    let headings = text
        .lines()
        .filter_map(|line| line.split_once("# ").filter(|(hashes, _)| hashes.chars().all(|it| it == '#')));
    let anchor = |heading: &str| -> String {
        let kept = heading
            .to_lowercase()
            .chars()
            .filter(|it| it.is_alphanumeric() || " -_".contains(*it))
            .collect::<String>();
        kept.replace(' ', "-")
    };
    headings.map(|(_, heading)| (anchor(heading), heading.to_owned())).collect()
}
