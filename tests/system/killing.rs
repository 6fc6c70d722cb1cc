use std::{
    collections::BTreeMap,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    programs::{Ran, Running},
    waiting::{Instants, eventually},
};

/// Results and their releases, as whoever kills publishers sees them.
pub(crate) trait Site: Sync {
    /// `publish` with these flags.
    fn publisher(&self, flags: &[&str]) -> Command;

    /// Corrects results.
    fn correct_all(&self, sql: &str);

    /// Lets the change log say that everything changed.
    fn everything_changes(&self);

    /// The numbers of all manifests that there are, in order, with those of tombstones.
    fn numbers(&self) -> Vec<u64>;
}

/// What a publisher is killed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Operation {
    Full,
    Many,
    Few,
    RollBack,
    Collect,
}

const OPERATIONS: [Operation; 5] =
    [Operation::Full, Operation::Many, Operation::Few, Operation::RollBack, Operation::Collect];

/// Kills as many publishers, each at a random instant of its work, and looks each time at what they leave: every
/// release that is kept is whole, the current one is the old or the new one, and the next publisher succeeds.
pub(crate) fn kill_publishers(site: &impl Site, seed: u64, kills: usize) {
    let mut took = BTreeMap::new();
    for operation in OPERATIONS {
        took.insert(operation, operation.time(site));
        run(site, &[]);
    }
    let mut instants = Instants(seed);
    let mut cut_off = 0;
    for (number, operation) in OPERATIONS.into_iter().cycle().take(kills).enumerate() {
        let what = format!("kill {number}, {operation:?}");
        let flags = operation.prepare(site);
        let before = *kept(site).last().unwrap();
        let mut publisher = Running::start_silent(&mut site.publisher(&as_flags(&flags)));
        instants.pass(took[&operation] * 5 / 4);
        publisher.kill();
        let kept = kept(site);
        let after = *kept.last().unwrap();
        assert!(after == before || after == before + 1, "{what}: {before} became {after}");
        cut_off += usize::from(after == before);
        are_whole(site, &kept);
        assert_eq!(site.numbers(), (1..=after).collect::<Vec<_>>(), "{what}: no number is ever free again");
        // The next run goes on from either.
        let said = run(site, &[]);
        let is_behind = match operation {
            Operation::Full | Operation::Many | Operation::Few => after == before,
            Operation::RollBack => after > before,
            Operation::Collect => false,
        };
        let expected = if is_behind {
            format!("release {}: ", after + 1)
        } else {
            format!("release {after} is up to date")
        };
        assert!(said.starts_with(&expected), "{what}: {said}");
        are_whole(site, &[after + u64::from(is_behind)]);
    }
    println!("{cut_off} of {kills} publishers were cut off before their commit; without a kill: {took:?}");
    assert!(cut_off > 0 && cut_off < kills, "the instants are ill spread");
    assert!(run(site, &[]).contains("is up to date"));
}

impl Operation {
    /// How long it takes when nobody dies.
    fn time(self, site: &impl Site) -> Duration {
        let flags = self.prepare(site);
        // Until there is something that is older than a second, there is nothing to collect.
        eventually("there is something to do", || {
            let started = Instant::now();
            let said = run(site, &flags);
            (!said.starts_with("nothing to collect")).then(|| started.elapsed())
        })
    }

    /// Makes sure that there is something to do; the flags with which `publish` does it.
    fn prepare(self, site: &impl Site) -> Vec<String> {
        let flags = |flags: &[&str]| flags.iter().map(|&flag| flag.to_owned()).collect();
        match self {
            Self::Full => site.everything_changes(),
            Self::Many => site.correct_all("UPDATE students SET name = name || '*' WHERE id % 3 = 0"),
            Self::Few => site.correct_all("UPDATE students SET name = name || '+' WHERE id % 500 = 0"),
            Self::RollBack => return flags(&["rollback", &kept(site)[0].to_string()]),
            Self::Collect => return flags(&["collect", "--delete", "--keep", "1", "--grace", "0s"]),
        }
        Vec::new()
    }
}

/// The releases that are kept, the current one last.
fn kept(site: &impl Site) -> Vec<u64> {
    let said = run(site, &["releases".to_owned(), "--json".to_owned()]);
    let releases: Vec<Value> = serde_json::from_str(&said).unwrap();
    releases.iter().rev().map(|release| release["number"].as_u64().unwrap()).collect()
}

fn are_whole(site: &impl Site, releases: &[u64]) {
    thread::scope(|scope| {
        for number in releases {
            scope.spawn(move || {
                let said = run(site, &["verify".to_owned(), number.to_string()]);
                assert!(said.starts_with(&format!("release {number} is whole")), "{said}");
            });
        }
    });
}

fn run(site: &impl Site, flags: &[String]) -> String {
    Ran::of(&mut site.publisher(&as_flags(flags))).succeeded()
}

fn as_flags(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}
