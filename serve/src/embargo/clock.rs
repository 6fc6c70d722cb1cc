use std::{
    fs,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// What the wall clock is worth, beside the monotonic one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// It has said nothing that the monotonic clock contradicts.
    Steady,
    /// It was set forward: it is further ahead than the monotonic one can be.
    Jumped,
}

/// One instant by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(super) wall: Timestamp,
    pub(super) monotonic: Instant,
}

/// A moment as another process of this machine can take it up: an [`Instant`] means nothing outside its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MomentOfBoot {
    pub(super) wall: Timestamp,
    boot: String,
    uptime_milliseconds: u64,
}

/// How long this machine has been up, and which of its boots that was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Uptime {
    boot: String,
    milliseconds: u64,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { wall: Timestamp::now(), monotonic: Instant::now() }
    }

    /// How much time has passed since by the monotonic clock.
    pub(super) fn passed(&self, now: Self) -> SignedDuration {
        let passed = now.monotonic.saturating_duration_since(self.monotonic);
        SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX)
    }

    /// By how much the wall clock has gone on further than the monotonic one since.
    pub(super) fn ahead(&self, now: Self) -> SignedDuration {
        now.wall.duration_since(self.wall).saturating_sub(self.passed(now))
    }

    /// This moment for a later process; `now` is when `uptime` was read.
    pub(super) fn written(&self, uptime: Uptime, now: Instant) -> MomentOfBoot {
        let passed = now.saturating_duration_since(self.monotonic).as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        let Uptime { boot, milliseconds } = uptime;
        MomentOfBoot { wall: self.wall, boot, uptime_milliseconds: milliseconds.saturating_sub(passed) }
    }
}

impl MomentOfBoot {
    /// The moment in this process. `None` after the machine was started anew, which no clock of ours outlives.
    pub(super) fn moment(&self, uptime: &Uptime, now: Instant) -> Option<Moment> {
        let passed = uptime.milliseconds.checked_sub(self.uptime_milliseconds);
        let passed = passed.filter(|_| self.boot == uptime.boot)?;
        let monotonic = now.checked_sub(Duration::from_millis(passed))?;
        Some(Moment { wall: self.wall, monotonic })
    }
}

impl Uptime {
    /// `None` where the system does not say which boot it is.
    pub(super) fn now() -> Option<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim_end().to_owned();
        // The clock of `Instant` stands still while the machine sleeps; this one does not.
        let uptime = Duration::try_from(clock_gettime(ClockId::Boottime)).ok()?;
        Some(Self { boot, milliseconds: uptime.as_millis().try_into().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uptime(boot: &str, milliseconds: u64) -> Uptime {
        Uptime { boot: boot.to_owned(), milliseconds }
    }

    #[test]
    fn a_moment_is_the_same_for_a_later_process_of_the_same_boot() {
        let then = Moment::now();
        let written = then.written(uptime("a", 90_000), then.monotonic + Duration::from_secs(10));
        // Half a minute later, in a process whose monotonic clock is the same one.
        let now = then.monotonic + Duration::from_secs(40);
        assert_eq!(written.moment(&uptime("a", 120_000), now), Some(then));
    }

    #[test]
    fn a_moment_means_nothing_to_another_boot() {
        let then = Moment::now();
        let written = then.written(uptime("a", 90_000), then.monotonic);
        assert_eq!(written.moment(&uptime("b", 120_000), then.monotonic), None);
        assert_eq!(written.moment(&uptime("a", 89_999), then.monotonic), None);
    }

    #[test]
    fn this_machine_tells_its_uptime_and_it_grows() {
        let (before, after) = (Uptime::now().unwrap(), Uptime::now().unwrap());
        assert_eq!(before.boot, after.boot);
        assert!(!before.boot.is_empty() && before.milliseconds > 0);
        assert!(before.milliseconds <= after.milliseconds);
    }
}
