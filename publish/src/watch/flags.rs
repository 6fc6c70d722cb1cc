use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;

use super::schedule::Patience;

#[derive(Args)]
pub(crate) struct Flags {
    /// Follow the change log, and publish by itself whatever changes, until SIGTERM
    ///
    /// Several may watch one database: one of them works, and another takes over within seconds of its death.
    /// Nothing is published on top of a rollback before somebody has run publish without this flag.
    #[arg(long)]
    watch: bool,

    /// Publish when nothing has changed for this long, such as 5s, 500ms or 1m
    #[arg(long, env = "QUIET", value_name = "DURATION", default_value = "5s", requires = "watch",
          value_parser = duration)]
    quiet: Duration,

    /// A change waits no longer than this for its publication, however busy it is
    #[arg(long, env = "MAX_WAIT", value_name = "DURATION", default_value = "60s", requires = "watch",
          value_parser = duration)]
    max_wait: Duration,
}

impl Flags {
    /// How long changes wait, if there is to be a watch.
    pub(crate) fn patience(&self) -> Option<Patience> {
        self.watch.then_some(Patience { quiet: self.quiet, max_wait: self.max_wait })
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let example = "give one such as 5s, 500ms or 1m30s";
    let duration: SignedDuration = text.parse().map_err(|error| format!("{error}; {example}"))?;
    match Duration::try_from(duration) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(format!("it is not more than nothing; {example}")),
    }
}
