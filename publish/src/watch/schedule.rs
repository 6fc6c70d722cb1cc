use std::time::{Duration, Instant};

/// How long changes wait for one another before they are published together.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Nothing has changed for so long: then it is published.
    pub(crate) quiet: Duration,
    /// However busy it is, a change waits no longer than this.
    pub(crate) max_wait: Duration,
}

/// When the next publication is due.
#[derive(Debug)]
pub(super) struct Schedule {
    patience: Patience,
    /// When it has been quiet for long enough, if nothing more changes.
    quiet: Option<Instant>,
    /// When the change that waits longest has waited long enough.
    latest: Option<Instant>,
    /// When everything was last published anew.
    anew: Option<Instant>,
}

impl Schedule {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, quiet: None, latest: None, anew: None }
    }

    /// Something changed that had not been noticed before.
    pub(super) fn noticed(&mut self, now: Instant) {
        self.quiet = now.checked_add(self.patience.quiet);
        if self.latest.is_none() {
            self.latest = now.checked_add(self.patience.max_wait);
        }
    }

    /// Everything is to be published anew, and at once. Only where two publishers of different databases take each
    /// other's releases for wrong ones would that go on for ever: then it is done no more often than changes make us.
    pub(super) fn at_once(&mut self, now: Instant) {
        let again = self.anew.and_then(|anew| anew.checked_add(self.patience.max_wait));
        let due = again.map_or(now, |again| again.max(now));
        self.latest = Some(self.latest.map_or(due, |latest| latest.min(due)));
        self.anew = self.latest;
    }

    /// What the database holds cannot be published. Every try reads it, so the next one waits for a change.
    pub(super) fn refused(&mut self, now: Instant) {
        self.quiet = None;
        self.latest = now.checked_add(self.patience.max_wait);
    }

    /// Nothing waits any more.
    pub(super) fn clear(&mut self) {
        self.quiet = None;
        self.latest = None;
    }

    /// How long nothing is to be published: zero where it is due, `None` where nothing waits.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let due = self.quiet.into_iter().chain(self.latest).min()?;
        Some(due.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { quiet: s(5), max_wait: s(60) };

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_change_is_due_when_it_has_been_quiet() {
        let (start, mut schedule) = (Instant::now(), Schedule::new(PATIENCE));
        assert_eq!(schedule.left(start), None);
        schedule.noticed(start);
        assert_eq!(schedule.left(start), Some(s(5)));
        schedule.noticed(start + s(4));
        assert_eq!(schedule.left(start + s(5)), Some(s(4)));
        assert_eq!(schedule.left(start + s(9)), Some(s(0)));
        schedule.clear();
        assert_eq!(schedule.left(start + s(99)), None);
    }

    #[test]
    fn changes_that_never_stop_are_due_when_the_first_has_waited_long_enough() {
        let (start, mut schedule) = (Instant::now(), Schedule::new(PATIENCE));
        for second in 0..60 {
            schedule.noticed(start + s(second));
            assert!(schedule.left(start + s(second)) > Some(s(0)), "{second}");
        }
        assert_eq!(schedule.left(start + s(60)), Some(s(0)));
    }

    #[test]
    fn what_was_refused_waits_for_a_change_or_for_the_longest_wait() {
        let (start, mut schedule) = (Instant::now(), Schedule::new(PATIENCE));
        schedule.noticed(start);
        schedule.refused(start + s(5));
        assert_eq!(schedule.left(start + s(5)), Some(s(60)));
        schedule.noticed(start + s(10));
        assert_eq!(schedule.left(start + s(10)), Some(s(5)));
        // A change does not move the longest wait.
        schedule.noticed(start + s(64));
        assert_eq!(schedule.left(start + s(64)), Some(s(1)));
    }

    #[test]
    fn everything_is_published_anew_at_once_and_again_only_after_the_longest_wait() {
        let (start, mut schedule) = (Instant::now(), Schedule::new(PATIENCE));
        schedule.at_once(start);
        assert_eq!(schedule.left(start), Some(s(0)));
        // It failed, and the database was found to be another one once more: it is as urgent as before.
        schedule.at_once(start + s(1));
        assert_eq!(schedule.left(start + s(1)), Some(s(0)));
        schedule.clear();
        schedule.at_once(start + s(2));
        assert_eq!(schedule.left(start + s(2)), Some(s(58)));
    }

    #[test]
    fn a_patience_without_end_is_none() {
        let without_end = Patience { quiet: Duration::MAX, max_wait: Duration::MAX };
        let (start, mut schedule) = (Instant::now(), Schedule::new(without_end));
        schedule.noticed(start);
        assert_eq!(schedule.left(start + s(99)), None);
        schedule.at_once(start);
        schedule.clear();
        schedule.at_once(start + s(1));
        assert_eq!(schedule.left(start + s(1)), Some(s(0)));
    }
}
