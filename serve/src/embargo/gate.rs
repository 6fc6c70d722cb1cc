use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Clock, Moment};

/// Whether the current release may be seen. Worked out beforehand, so that a request compares and reads no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Anybody may see it.
    Open,
    /// Nobody may yet.
    Closed(Embargo),
}

/// Until when nobody sees a release, and what the clocks have said since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Embargo {
    /// The hour.
    pub(crate) until: Timestamp,
    /// Whether the wall clock can be believed.
    pub(crate) clock: Clock,
    /// When this server, or one before it, first held something of the data set back. Neither later releases of it nor
    /// a restart begin anew: what is loaded after the wall clock jumped would take the wrong time for the right one.
    since: Moment,
}

/// How far the wall clock may run ahead of the monotonic one. Both are slewed alike; what parts them is a step: a
/// leap second that is left out is one second, and the daemons that keep clocks right step by up to one (chrony's
/// usual `makestep 1`, ntpd's 0.128 s, systemd-timesyncd's 0.4 s). Two seconds let one of each pass, and a clock that
/// was set wrong by hand is wrong by more.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(2);

impl Gate {
    /// The gate of a release that is loaded `now`. `before` is what the gate of the same data set was until then, if
    /// there was one: what was open stays open, and what was closed is closed until the new release's hour.
    pub(crate) fn of(not_before: Option<Timestamp>, before: Option<Self>, now: Moment) -> Self {
        let since = match before {
            Some(Self::Open) => return Self::Open,
            Some(Self::Closed(embargo)) => embargo.since,
            None => now,
        };
        match not_before {
            None => Self::Open,
            Some(until) => Self::waiting(until, since).at(now),
        }
    }

    /// The gate of what has been held back since then, as it was then.
    pub(super) fn waiting(until: Timestamp, since: Moment) -> Self {
        Self::Closed(Embargo { until, clock: Clock::Steady, since })
    }

    /// Since when it is closed, if it is.
    pub(super) fn since(self) -> Option<Moment> {
        match self {
            Self::Open => None,
            Self::Closed(embargo) => Some(embargo.since),
        }
    }

    /// The gate as it is `now`. It opens where the wall clock says so and the monotonic one does not contradict it;
    /// what is open never closes.
    pub(crate) fn at(self, now: Moment) -> Self {
        match self {
            Self::Open => Self::Open,
            Self::Closed(embargo) => {
                let clock = embargo.clock_at(now);
                match clock == Clock::Steady && now.wall >= embargo.until {
                    true => Self::Open,
                    false => Self::Closed(Embargo { clock, ..embargo }),
                }
            }
        }
    }

    /// The gate where a release is known to move the hour, and is not loaded yet. To open too late can be made up
    /// for, so only a later hour is believed before the release is here.
    pub(crate) fn postponed(self, not_before: Option<Timestamp>, now: Moment) -> Self {
        match (self, not_before) {
            (Self::Closed(embargo), Some(until)) if until > embargo.until => {
                Self::Closed(Embargo { until, ..embargo }).at(now)
            }
            _ => self,
        }
    }
}

impl Embargo {
    /// What the wall clock is worth now. One that was set forward is believed again when all the time has passed that it
    /// says: then the hour is past by either clock.
    fn clock_at(&self, now: Moment) -> Clock {
        let late = now.wall.duration_since(self.until).max(SignedDuration::ZERO);
        let ahead = self.since.ahead(now);
        match ahead > TOLERANCE && ahead > late {
            true => Clock::Jumped,
            false => Clock::Steady,
        }
    }
}

/// Whole seconds from now until `instant`, rounded up; at least 1, for who is told to come back, and at most
/// `longest`.
pub(crate) fn seconds_until(instant: Timestamp, now: Timestamp, longest: Duration) -> u64 {
    let left = Duration::try_from(instant.duration_since(now)).unwrap_or_default().min(longest);
    left.as_secs() + u64::from(left.subsec_nanos() > 0).max(u64::from(left.is_zero()))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A wall clock and a monotonic one, in milliseconds. The hour is at 100,000 on the wall.
    struct Clocks {
        zero: Instant,
    }

    const HOUR: i64 = 100_000;

    impl Clocks {
        fn new() -> Self {
            Self { zero: Instant::now() }
        }

        fn moment(&self, wall: i64, monotonic: u64) -> Moment {
            Moment { wall: at(wall), monotonic: self.zero + Duration::from_millis(monotonic) }
        }

        /// Both clocks have gone on by so much since a release of the hour was loaded, a minute before it.
        fn loaded(&self) -> Gate {
            Gate::of(Some(at(HOUR)), None, self.moment(HOUR - 60_000, 0))
        }
    }

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(millisecond).unwrap()
    }

    fn clock_of(gate: Gate) -> Option<Clock> {
        match gate {
            Gate::Open => None,
            Gate::Closed(embargo) => Some(embargo.clock),
        }
    }

    #[test]
    fn it_opens_at_the_instant_and_not_a_moment_before() {
        let clocks = Clocks::new();
        let gate = clocks.loaded();
        for passed in [0, 1, 30_000, 59_999] {
            let gate = gate.at(clocks.moment(HOUR - 60_000 + passed, passed as u64));
            assert_eq!(clock_of(gate), Some(Clock::Steady), "after {passed} ms");
        }
        assert_eq!(gate.at(clocks.moment(HOUR, 60_000)), Gate::Open);
        let mut last = clocks.moment(HOUR, 60_000);
        last.wall -= SignedDuration::from_nanos(1);
        assert_eq!(clock_of(gate.at(last)), Some(Clock::Steady));
    }

    #[test]
    fn a_release_without_an_hour_is_open() {
        let now = Clocks::new().moment(5, 5);
        assert_eq!(Gate::of(None, None, now), Gate::Open);
    }

    #[test]
    fn a_clock_that_jumps_forward_opens_nothing() {
        let clocks = Clocks::new();
        let jumped = clocks.loaded().at(clocks.moment(HOUR + 5_000, 10_000));
        assert_eq!(clock_of(jumped), Some(Clock::Jumped));
        // Set right again, it is as if nothing had been.
        let right = jumped.at(clocks.moment(HOUR - 49_000, 11_000));
        assert_eq!(right, clocks.loaded());
        assert_eq!(right.at(clocks.moment(HOUR, 60_000)), Gate::Open);
        // Left wrong, it opens when the time has passed.
        assert_eq!(clock_of(jumped.at(clocks.moment(HOUR + 54_999, 59_999))), Some(Clock::Jumped));
        assert_eq!(jumped.at(clocks.moment(HOUR + 55_000, 60_000)), Gate::Open);
    }

    #[test]
    fn a_step_within_the_tolerance_is_none() {
        let clocks = Clocks::new();
        assert_eq!(clocks.loaded().at(clocks.moment(HOUR, 58_000)), Gate::Open);
        assert_eq!(clock_of(clocks.loaded().at(clocks.moment(HOUR, 57_999))), Some(Clock::Jumped));
    }

    #[test]
    fn a_clock_that_jumps_back_delays() {
        let clocks = Clocks::new();
        let gate = clocks.loaded().at(clocks.moment(HOUR - 3_600_000, 30_000));
        assert_eq!(clock_of(gate), Some(Clock::Steady));
        assert_eq!(clock_of(gate.at(clocks.moment(HOUR - 1, 3_630_000 - 1))), Some(Clock::Steady));
        assert_eq!(gate.at(clocks.moment(HOUR, 3_630_000)), Gate::Open);
    }

    #[test]
    fn a_clock_that_jumps_back_hides_nothing_again() {
        let clocks = Clocks::new();
        let open = clocks.loaded().at(clocks.moment(HOUR, 60_000));
        assert_eq!(open.at(clocks.moment(0, 60_001)), Gate::Open);
    }

    #[test]
    fn a_server_that_starts_after_the_hour_is_open_and_before_it_is_closed() {
        let clocks = Clocks::new();
        assert_eq!(Gate::of(Some(at(HOUR)), None, clocks.moment(HOUR, 0)), Gate::Open);
        let before = Gate::of(Some(at(HOUR)), None, clocks.moment(HOUR - 1, 0));
        assert_eq!(clock_of(before), Some(Clock::Steady));
        assert_eq!(before.at(clocks.moment(HOUR, 1)), Gate::Open);
    }

    #[test]
    fn a_later_release_moves_the_hour_while_nothing_was_opened() {
        let clocks = Clocks::new();
        let now = clocks.moment(HOUR - 50_000, 10_000);
        for hour in [HOUR - 20_000, HOUR + 20_000] {
            let moved = Gate::of(Some(at(hour)), Some(clocks.loaded()), now);
            let wait = hour - (HOUR - 50_000);
            let last = clocks.moment(hour - 1, (10_000 + wait - 1) as u64);
            assert_eq!(clock_of(moved.at(last)), Some(Clock::Steady));
            assert_eq!(moved.at(clocks.moment(hour, (10_000 + wait) as u64)), Gate::Open);
        }
        assert_eq!(Gate::of(None, Some(clocks.loaded()), now), Gate::Open);
        assert_eq!(Gate::of(Some(at(0)), Some(clocks.loaded()), now), Gate::Open);
    }

    #[test]
    fn what_was_opened_stays_open_whatever_a_later_release_says() {
        let clocks = Clocks::new();
        let now = clocks.moment(HOUR, 60_000);
        assert_eq!(Gate::of(Some(at(HOUR + 20_000)), Some(Gate::Open), now), Gate::Open);
        assert_eq!(Gate::Open.postponed(Some(at(HOUR + 20_000)), now), Gate::Open);
    }

    #[test]
    fn another_data_set_that_arrives_after_a_jump_does_not_believe_it() {
        let clocks = Clocks::new();
        let jumped = clocks.moment(HOUR + 5_000, 10_000);
        let gate = Gate::of(Some(at(HOUR + 1_000)), Some(clocks.loaded()), jumped);
        assert_eq!(clock_of(gate), Some(Clock::Jumped));
    }

    #[test]
    fn another_data_set_is_closed_again() {
        let clocks = Clocks::new();
        let gate = Gate::of(Some(at(HOUR + 1)), None, clocks.moment(HOUR, 60_000));
        assert_eq!(clock_of(gate), Some(Clock::Steady));
    }

    #[test]
    fn a_release_that_arrives_after_a_jump_does_not_believe_it() {
        let clocks = Clocks::new();
        let jumped = clocks.moment(HOUR + 5_000, 10_000);
        let gate = Gate::of(Some(at(HOUR)), Some(clocks.loaded()), jumped);
        assert_eq!(clock_of(gate), Some(Clock::Jumped));
    }

    #[test]
    fn of_a_release_that_is_not_loaded_yet_only_a_later_hour_is_believed() {
        let clocks = Clocks::new();
        let now = clocks.moment(HOUR - 30_000, 30_000);
        let gate = clocks.loaded();
        assert_eq!(gate.postponed(None, now), gate);
        assert_eq!(gate.postponed(Some(at(HOUR - 10_000)), now), gate);
        let later = gate.postponed(Some(at(HOUR + 10_000)), now);
        assert_eq!(clock_of(later.at(clocks.moment(HOUR + 9_999, 69_999))), Some(Clock::Steady));
        assert_eq!(later.at(clocks.moment(HOUR + 10_000, 70_000)), Gate::Open);
    }

    #[test]
    fn whoever_is_told_to_come_back_waits_from_one_second_to_the_longest() {
        let longest = Duration::from_secs(60);
        for (now, seconds) in
            [(0, 60), (39_999, 60), (40_000, 60), (40_001, 60), (41_000, 59), (98_999, 2), (99_000, 1)]
                .into_iter()
                .chain([(99_999, 1), (100_000, 1), (500_000, 1)])
        {
            assert_eq!(seconds_until(at(HOUR), at(now), longest), seconds, "at {now}");
        }
    }
}
