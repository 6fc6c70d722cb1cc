use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

/// How the runs of one kind have ended.
#[derive(Debug)]
pub struct Runs {
    command: Command,
    ended: Mutex<Ended>,
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Publishing what has changed.
    Publish,
    /// Listing releases.
    Releases,
    /// Showing an older release again.
    RollBack,
    /// Taking away what no kept release names.
    Collect,
    /// Reading releases again.
    Verify,
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With a new release.
    Published,
    /// With nothing to do.
    Unchanged,
    /// With a rollback: one that was made, or one that is left alone.
    RolledBack,
    /// With something taken away.
    Collected,
    /// With nothing that is wrong.
    Verified,
    /// With an error.
    Failed,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Ended {
    /// How often in each way, in the order of [`Command::endings`].
    pub(super) counts: [u64; MOST_ENDINGS],
    pub(super) last_success: Option<Timestamp>,
    pub(super) last_failure: Option<Timestamp>,
    /// How long the last one took.
    pub(super) took: Option<Duration>,
}

/// No command has more.
const MOST_ENDINGS: usize = 4;

impl Command {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Releases => "releases",
            Self::RollBack => "rollback",
            Self::Collect => "collect",
            Self::Verify => "verify",
        }
    }

    /// How it can end.
    pub(super) fn endings(self) -> &'static [Ending] {
        match self {
            Self::Publish => &[Ending::Published, Ending::Unchanged, Ending::RolledBack, Ending::Failed],
            Self::Releases => &[Ending::Unchanged, Ending::Failed],
            Self::RollBack => &[Ending::RolledBack, Ending::Unchanged, Ending::Failed],
            Self::Collect => &[Ending::Collected, Ending::Unchanged, Ending::Failed],
            Self::Verify => &[Ending::Verified, Ending::Failed],
        }
    }
}

impl Ending {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Unchanged => "unchanged",
            Self::RolledBack => "rolled-back",
            Self::Collected => "collected",
            Self::Verified => "verified",
            Self::Failed => "failed",
        }
    }
}

impl Runs {
    pub(super) fn of(command: Command) -> Self {
        Self { command, ended: Mutex::default() }
    }

    /// A run has just ended like that.
    pub fn ended(&self, ending: Ending, took: Duration) {
        let mut ended = self.state();
        if let Some(place) = self.command.endings().iter().position(|possible| *possible == ending) {
            ended.counts[place] += 1;
        }
        ended.took = Some(took);
        match ending {
            Ending::Failed => ended.last_failure = Some(Timestamp::now()),
            _ => ended.last_success = Some(Timestamp::now()),
        }
    }

    pub(super) fn command(&self) -> Command {
        self.command
    }

    pub(super) fn so_far(&self) -> Ended {
        self.state().clone()
    }

    fn state(&self) -> MutexGuard<'_, Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
