use std::time::Duration;

use results_day::{
    release::{EmbargoError, ReleaseError},
    source::SourceError,
};

/// What fails and may heal: said once when it begins and once when it is over, however often it is tried.
#[derive(Debug)]
pub(super) struct Trouble {
    told: Option<&'static str>,
    pause: Duration,
}

/// The pause after a failure doubles up to the longest one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Trouble {
    pub(super) fn none() -> Self {
        Self { told: None, pause: FIRST_PAUSE }
    }

    /// Tells of it unless that was told already, and says how long to wait before it is tried again.
    pub(super) fn failed(&mut self, error: &anyhow::Error) -> Duration {
        let what = if error.is::<SourceError>() {
            "asking the database"
        } else if error.is::<ReleaseError>() {
            "asking the store"
        } else {
            "watching"
        };
        if self.told != Some(what) {
            tracing::error!(error = format!("{error:#}"), "{what} failed; it is tried again until it works");
            self.told = Some(what);
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        pause
    }

    /// Everything works.
    pub(super) fn over(&mut self) {
        if let Some(what) = self.told.take() {
            tracing::info!("{what} works again");
        }
        self.pause = FIRST_PAUSE;
    }
}

/// Whether it is no use to try again before somebody has put right what the database holds. The error itself is not
/// for the log: it may name a student.
pub(super) fn is_for_a_person(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<SourceError>() {
        Some(error) => matches!(error, SourceError::InvalidRow { .. }),
        None => !error.is::<ReleaseError>() && !error.is::<EmbargoError>(),
    }
}
