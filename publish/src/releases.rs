//! The releases of a bucket, as a table for a person or as JSON for a program.

use std::fmt;

use jiff::Timestamp;
use results_day::release::{Manifest, ReleaseNumber, ReleaseStore};
use serde::Serialize;

/// The releases that are kept, the newest first.
#[derive(Debug)]
pub struct Releases(Vec<Release>);

/// One release, as `--json` has it.
#[derive(Debug, Serialize)]
struct Release {
    number: ReleaseNumber,
    current: bool,
    kind: Kind,
    repeats: Option<ReleaseNumber>,
    created: Timestamp,
    not_before: Option<Timestamp>,
    students: u64,
    shards: usize,
    bytes: u64,
    /// Shards that the release before it does not name.
    new_shards: usize,
    data_set: String,
    snapshot: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Publication,
    Rollback,
    Fence,
}

/// Reads the manifests of the releases that are kept.
pub async fn releases(store: &ReleaseStore) -> anyhow::Result<Releases> {
    let kept = store.kept().await?;
    let releases = kept.iter().enumerate().map(|(place, manifest)| {
        let before = place.checked_sub(1).and_then(|before| kept.get(before));
        Release::of(manifest, before, place + 1 == kept.len())
    });
    Ok(Releases(releases.rev().collect()))
}

impl Releases {
    /// One JSON array on one line.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&self.0)
    }
}

impl Release {
    fn of(manifest: &Manifest, before: Option<&Manifest>, current: bool) -> Self {
        let known: std::collections::HashSet<_> =
            before.into_iter().flat_map(|before| &before.shards).map(|shard| &shard.key).collect();
        Self {
            number: manifest.number,
            current,
            kind: match manifest.repeats {
                None => Kind::Publication,
                Some(_) if before.is_some_and(|before| before.shows_what_is_in(manifest)) => Kind::Fence,
                Some(repeated) if manifest.parent == Some(repeated) => Kind::Fence,
                Some(_) => Kind::Rollback,
            },
            repeats: manifest.repeats,
            created: manifest.created,
            not_before: manifest.not_before,
            students: manifest.students,
            shards: manifest.shards.len(),
            bytes: manifest.shards.iter().map(|shard| shard.bytes).sum(),
            new_shards: manifest.shards.iter().filter(|shard| !known.contains(&shard.key)).count(),
            data_set: manifest.source.data_set.clone(),
            snapshot: manifest.source.snapshot.to_string(),
        }
    }

    fn what(&self) -> String {
        match (self.kind, self.repeats) {
            (Kind::Rollback, Some(number)) => format!("rollback to {number}"),
            (Kind::Fence, _) => "fence".to_owned(),
            _ => "publication".to_owned(),
        }
    }
}

impl fmt::Display for Releases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return write!(f, "nothing is published");
        }
        writeln!(
            f,
            "{:>8}  {:<16} {:<20}  {:<20}  {:>10} {:>7} {:>6} {:>9}  data set",
            "release", "what it is", "created", "not before", "students", "shards", "new", "MB"
        )?;
        for (place, release) in self.0.iter().enumerate() {
            let end = if place == 0 { "" } else { "\n" };
            let mark = if release.current { "*" } else { "" };
            write!(
                f,
                "{end}{:>8}  {:<16} {:<20}  {:<20}  {:>10} {:>7} {:>6} {:>9.1}  {}",
                format!("{mark}{}", release.number),
                release.what(),
                seconds(release.created),
                release.not_before.map_or_else(|| "-".to_owned(), seconds),
                release.students,
                release.shards,
                release.new_shards,
                release.bytes as f64 / 1e6,
                release.data_set,
            )?;
        }
        Ok(())
    }
}

fn seconds(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
