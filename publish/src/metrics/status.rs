use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;

/// What a watcher is about at the moment.
#[derive(Debug, Default)]
pub(crate) struct Status(Mutex<Now>);

/// What a watcher depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Database,
    Store,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Now {
    pub(super) leading: bool,
    /// Whether it answered when it was last asked; `None` where nobody asked yet.
    pub(super) database: Option<bool>,
    pub(super) store: Option<bool>,
    /// What was told to fail, until it works again.
    pub(super) trouble: Option<Part>,
    /// Nothing of what the database holds is published before somebody acts.
    pub(super) needs_a_person: bool,
    /// When it last looked at anything.
    moved: Option<Instant>,
    /// Since when changes wait to be published.
    pub(super) waiting_since: Option<Timestamp>,
}

/// A watcher that has not looked at anything for so long hangs: it looks every second, and a publication takes minutes
/// where the store is slow.
const HANGS: Duration = Duration::from_secs(15 * 60);

impl Status {
    /// It has come round to look again.
    pub(crate) fn moved(&self) {
        self.now().moved = Some(Instant::now());
    }

    /// Whether it should be started anew.
    pub(super) fn hangs(&self) -> bool {
        self.now().moved.is_some_and(|moved| moved.elapsed() > HANGS)
    }

    /// Whoever loses the lead does not look at the store any more, and has nothing waiting.
    pub(crate) fn set_leading(&self, leading: bool) {
        let mut now = self.now();
        now.leading = leading;
        if !leading {
            (now.store, now.needs_a_person, now.waiting_since) = (None, false, None);
        }
    }

    /// It was asked; whether it answered.
    pub(crate) fn set_up(&self, part: Part, answers: bool) {
        match part {
            Part::Database => self.now().database = Some(answers),
            Part::Store => self.now().store = Some(answers),
        }
    }

    pub(crate) fn set_trouble(&self, part: Option<Part>) {
        self.now().trouble = part;
    }

    pub(crate) fn set_needs_a_person(&self, needs: bool) {
        self.now().needs_a_person = needs;
    }

    /// Whether changes wait to be published. Since when is since it was first said.
    pub(crate) fn set_waiting(&self, waiting: bool) {
        let since = &mut self.now().waiting_since;
        *since = waiting.then(|| since.unwrap_or_else(Timestamp::now));
    }

    pub(super) fn read(&self) -> Now {
        *self.now()
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
