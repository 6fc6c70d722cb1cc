//! A publication in parts by the real programs.

#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::time::Duration;

use super::board::Board;
use crate::system::{Watcher, eventually};

/// Longer than any of them may take that has nobody to wait for.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

impl Board {
    /// Starts the committer of so many parts.
    pub(crate) fn committer(&self, parts: u16) -> Watcher {
        Watcher::start(&mut self.program("publish", &["--parts", &parts.to_string()]))
    }

    /// Starts a part, `0/3` say.
    pub(crate) fn part(&self, part: &str) -> Watcher {
        Watcher::start(&mut self.program("publish", &["--part", part]))
    }

    /// Starts all the parts.
    pub(crate) fn parts(&self, parts: u16) -> Vec<Watcher> {
        (0..parts).map(|index| self.part(&format!("{index}/{parts}"))).collect()
    }

    /// Publishes in so many parts, and reads the whole release again beside the database. What the committer printed.
    pub(crate) fn publish_in_parts(&self, parts: u16) -> String {
        let (committer, all) = (self.committer(parts), self.parts(parts));
        for part in all {
            succeeds(part);
        }
        let said = succeeds(committer);
        self.is_what_the_database_holds();
        said
    }

    pub(crate) fn is_what_the_database_holds(&self) {
        let said = self.run("publish", &["verify", "--database"]).succeeded();
        assert!(said.contains("is whole"), "{said}");
        let said = self.run("publish", &[]).succeeded();
        assert!(said.contains("is up to date"), "{said}");
    }

    /// The attempts of which there is a plan.
    pub(crate) fn attempts(&self) -> Vec<String> {
        let keys = self.keys();
        let plans = keys.iter().filter_map(|key| key.strip_prefix("parts/")?.strip_suffix("/plan.json"));
        plans.map(str::to_owned).collect()
    }

    /// Waits until there are so many attempts, and gives the one that is not among those known.
    pub(crate) fn next_attempt(&self, known: &[String]) -> String {
        eventually("there is another attempt", || {
            self.attempts().into_iter().find(|attempt| !known.contains(attempt))
        })
    }

    /// Waits until a part has reported to an attempt.
    pub(crate) fn reported(&self, attempt: &str, index: u16) {
        let key = format!("parts/{attempt}/{index}.json");
        eventually("a part has reported", || self.keys().contains(&key).then_some(()));
    }

    /// Waits until blobs are written for an attempt, and says how many there are.
    pub(crate) fn blobs_of(&self, attempt: &str) -> usize {
        let end = format!("-{attempt}.json.zst");
        eventually("an attempt is under way", || {
            let blobs = self.keys().iter().filter(|key| key.ends_with(&end)).count();
            (blobs > 0).then_some(blobs)
        })
    }
}

/// Waits until a program has ended by itself and well. Its one line.
#[track_caller]
pub(crate) fn succeeds(mut program: Watcher) -> String {
    let status = program.ended(LIMIT);
    assert_eq!(status.code(), Some(0), "{}", program.log());
    eventually("what it said has arrived", || program.said().first().cloned())
}

/// Waits until a program has failed, and said all of this.
#[track_caller]
pub(crate) fn fails(mut program: Watcher, words: &[&str]) {
    let status = program.ended(LIMIT);
    assert_eq!(status.code(), Some(1), "{:?} {}", program.said(), program.log());
    for word in words {
        program.logs(word);
    }
    assert_eq!(program.said(), [""; 0], "a failure prints no result");
}
