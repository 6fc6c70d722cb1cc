use std::{sync::Arc, time::Duration};

use results_day::{
    log::for_a_log,
    release::{EmbargoError, ReleaseError},
    source::SourceError,
};

use crate::metrics::{Part, Record};

/// What fails and may heal: said once when it begins and once when it is over, however often it is tried.
#[derive(Debug)]
pub(super) struct Trouble {
    record: Arc<Record>,
    told: Option<&'static str>,
    pause: Duration,
}

/// The pause after a failure doubles up to the longest one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Trouble {
    /// Nothing fails yet. What does is recorded there as well.
    pub(super) fn none(record: Arc<Record>) -> Self {
        Self { record, told: None, pause: FIRST_PAUSE }
    }

    /// Tells of it unless that was told already, and says how long to wait before it is tried again.
    pub(super) fn failed(&mut self, error: &anyhow::Error) -> Duration {
        let status = &self.record.status;
        let (what, part) = if error.is::<SourceError>() {
            status.set_up(Part::Database, false);
            ("asking the database", Some(Part::Database))
        } else if let Some(error) = error.downcast_ref::<ReleaseError>() {
            status.set_up(Part::Store, !error.is_unanswered());
            ("asking the store", Some(Part::Store))
        } else {
            ("watching", None)
        };
        status.set_trouble(part);
        if self.told != Some(what) {
            tracing::error!(error = for_a_log(error), "{what} failed; it is tried again until it works");
            self.told = Some(what);
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        pause
    }

    /// Everything works.
    pub(super) fn over(&mut self) {
        self.record.status.set_trouble(None);
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
