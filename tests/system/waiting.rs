use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything may take that is bound to happen.
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks until there is an answer, and fails where none comes in good time.
pub(crate) fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, ask)
}

/// Asks until there is an answer, and fails where none comes within `limit`.
pub(crate) fn within<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Instants at which something is cut off: spread at random, and the same in every run (SplitMix64).
pub(crate) struct Instants(pub(crate) u64);

impl Instants {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ bits >> 31) % bound
    }

    /// Lets a random part of `span` pass.
    pub(crate) fn pass(&mut self, span: Duration) {
        let microseconds = u64::try_from(span.as_micros()).unwrap_or(u64::MAX).max(1);
        thread::sleep(Duration::from_micros(self.below(microseconds)));
    }
}
