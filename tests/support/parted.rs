//! A publication in parts by the real programs.

#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::{
    process::Command,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use super::board::Board;
use crate::system::{Watcher, eventually};

/// Longer than any of them may take that has nobody to wait for.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// One publication in parts, under a name of its own.
pub(crate) struct Run<'a> {
    board: &'a Board,
    pub(crate) name: String,
}

impl Board {
    /// A run that nobody has begun.
    pub(crate) fn a_run(&self) -> Run<'_> {
        static RUNS: AtomicU32 = AtomicU32::new(1);
        Run { board: self, name: format!("run-{}", RUNS.fetch_add(1, Relaxed)) }
    }

    /// Publishes in so many parts, and reads the whole release again beside the database. What the committer printed.
    pub(crate) fn publish_in_parts(&self, parts: u16) -> String {
        let run = self.a_run();
        let (committer, all) = (run.committer(parts), run.parts(parts));
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

    /// Waits until blobs are written for an attempt, and says how many there are.
    pub(crate) fn blobs_of(&self, attempt: &str) -> usize {
        let end = format!("-{attempt}.json.zst");
        eventually("an attempt is under way", || {
            let blobs = self.keys().iter().filter(|key| key.ends_with(&end)).count();
            (blobs > 0).then_some(blobs)
        })
    }
}

impl Run<'_> {
    /// Starts the committer of so many parts.
    pub(crate) fn committer(&self, parts: u16) -> Watcher {
        self.committer_with(parts, &[])
    }

    /// Starts it with these flags.
    pub(crate) fn committer_with(&self, parts: u16, flags: &[&str]) -> Watcher {
        Watcher::start(self.program(&["--parts", &parts.to_string()]).args(flags))
    }

    /// Starts a part, `0/3` say.
    pub(crate) fn part(&self, part: &str) -> Watcher {
        Watcher::start(&mut self.program(&["--part", part]))
    }

    /// Starts all the parts.
    pub(crate) fn parts(&self, parts: u16) -> Vec<Watcher> {
        (0..parts).map(|index| self.part(&format!("{index}/{parts}"))).collect()
    }

    /// Where something of this run lies.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("parts/{}/{name}", self.name)
    }

    /// The attempts of which there is a plan.
    pub(crate) fn attempts(&self) -> Vec<String> {
        let (keys, folder) = (self.board.keys(), self.key(""));
        let plans = keys.iter().filter_map(|key| key.strip_prefix(&folder)?.strip_suffix("/plan.json"));
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
        let key = self.key(&format!("{attempt}/{index}.json"));
        eventually("a part has reported", || self.board.keys().contains(&key).then_some(()));
    }

    /// What is said to whoever comes when the run is a release.
    pub(crate) fn is_already(&self, release: u64) -> String {
        format!("run {} is release {release} already; another publication needs another --run", self.name)
    }

    /// What is said to whoever comes when there was nothing to publish.
    pub(crate) fn was_up_to_date(&self, release: u64) -> String {
        format!(
            "run {} has found release {release} up to date; another publication needs another --run",
            self.name
        )
    }

    fn program(&self, flags: &[&str]) -> Command {
        let mut command = self.board.program("publish", flags);
        command.args(["--run", &self.name]);
        command
    }
}

/// Waits until a program has ended by itself and well. Its one line.
#[track_caller]
pub(crate) fn succeeds(mut program: Watcher) -> String {
    let status = program.ended(LIMIT);
    assert_eq!(status.code(), Some(0), "{}", program.log());
    eventually("what it said has arrived", || program.said().first().cloned())
}

/// Waits until a part has ended well with a release, to which it has brought something or to which it came too late.
#[track_caller]
pub(crate) fn has_ended(part: Watcher, run: &Run<'_>, release: u64) {
    let said = succeeds(part);
    let is_told =
        said.contains(&format!("release {release} is committed")) || said.ends_with(&run.is_already(release));
    assert!(is_told, "{said}");
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
