use std::time::Duration;

use super::schedule::Patience;
use crate::duration;
use clap::Args;

/// The flags of `publish` that concern watching.
#[derive(Debug, Args)]
pub struct Flags {
    /// Follow the change log, and publish by itself whatever changes, until SIGTERM
    ///
    /// Several may watch one database: one of them works, and another takes over within seconds of its death.
    /// Where there is no release yet, the first one is published at once: give --not-before if it has an hour. Nothing
    /// is published on top of a rollback, nor of another data set than the current release's, before somebody has run
    /// publish without this flag.
    #[arg(long)]
    watch: bool,

    /// Publish when nothing has changed for this long, such as 5s, 500ms or 1m
    #[arg(long, value_name = "DURATION", default_value = "5s", requires = "watch",
          value_parser = duration::parse_positive)]
    quiet: Duration,

    /// A change waits no longer than this for its publication, however busy it is
    #[arg(long, value_name = "DURATION", default_value = "60s", requires = "watch",
          value_parser = duration::parse_positive)]
    max_wait: Duration,
}

impl Flags {
    /// How long changes wait, if there is to be a watch.
    pub fn patience(&self) -> Option<Patience> {
        self.watch.then_some(Patience { quiet: self.quiet, max_wait: self.max_wait })
    }
}
