use jiff::Timestamp;

use super::{Attempt, Manifest};

impl Manifest {
    /// The release on top of `current` that names this one's shards again, read from the same snapshot: what has
    /// changed since then is answered live, so no superseded mark comes back. `not_before` is its data set's hour.
    pub fn repeated(&self, current: &Manifest, not_before: Option<Timestamp>) -> Self {
        let is_fence = self.number == current.number;
        Self {
            number: current.number.next(),
            parent: Some(current.number),
            // Who looks at a fence on top of a rollback looks at a rollback.
            repeats: if is_fence && current.is_rollback() { current.repeats } else { Some(self.number) },
            oldest: current.oldest,
            attempt: Attempt::random(),
            created: Timestamp::now(),
            not_before,
            ..self.clone()
        }
    }

    /// Whether this release is a rollback to an older one, or a fence on top of that.
    pub fn is_rollback(&self) -> bool {
        self.repeats.is_some() && self.repeats != self.parent
    }

    /// Whether both show the same results and know the same changes.
    pub fn shows_what_is_in(&self, other: &Manifest) -> bool {
        self.shards == other.shards && self.source == other.source
    }
}
