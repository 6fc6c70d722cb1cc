use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How many lines of one kind are logged in a second: in an outage the log must not be what fails next.
#[derive(Debug)]
pub struct Budget {
    lines: u32,
    second: Mutex<Second>,
}

#[derive(Debug, Default)]
struct Second {
    begun: Option<Instant>,
    said: u32,
    unsaid: u64,
}

impl Budget {
    /// So many lines in a second.
    pub fn of(lines: u32) -> Self {
        Self { lines, second: Mutex::default() }
    }

    /// Whether a line may be logged now. If so, how many were not since the last one that was; nothing in place of none.
    pub fn admits(&self) -> Option<Option<u64>> {
        self.admits_at(Instant::now())
    }

    fn admits_at(&self, now: Instant) -> Option<Option<u64>> {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if second.begun.is_none_or(|begun| now.duration_since(begun) >= Duration::from_secs(1)) {
            second.begun = Some(now);
            second.said = 0;
        }
        if second.said == self.lines {
            second.unsaid += 1;
            return None;
        }
        second.said += 1;
        Some(Some(std::mem::take(&mut second.unsaid)).filter(|unsaid| *unsaid > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_lines_are_said_in_a_second_and_the_next_one_tells_how_many_were_not() {
        let budget = Budget::of(2);
        let start = Instant::now();
        let at = |milliseconds| budget.admits_at(start + Duration::from_millis(milliseconds));
        assert_eq!([at(0), at(10)], [Some(None), Some(None)]);
        assert_eq!([at(20), at(500), at(999)], [None, None, None]);
        assert_eq!([at(1_000), at(1_100)], [Some(Some(3)), Some(None)]);
        assert_eq!(at(1_200), None);
        assert_eq!([at(9_000), at(9_000)], [Some(Some(1)), Some(None)]);
    }
}
