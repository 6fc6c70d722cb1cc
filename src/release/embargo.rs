use std::time::Duration;

use jiff::Timestamp;

use super::Manifest;

/// Why an embargo cannot be set, or moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbargoError {
    /// There is nothing left to wait for.
    #[error("{0} is over; an embargo ends at an instant to come")]
    Over(Timestamp),
    /// What has been seen cannot be hidden.
    #[error(
        "results of this data set are visible{}; an embargo can only be set before any of them is",
        since(*.0)
    )]
    Visible(Option<Timestamp>),
    /// A server might not hear of it in time.
    #[error(
        "the embargo ends at {held}, and within its last {} minutes it cannot be moved to a later instant: a server \
         that does not hear of it would open",
        LAST_MINUTES.as_secs() / 60
    )]
    TooLate {
        /// When it ends.
        held: Timestamp,
    },
}

/// So long before its end an embargo is not moved to a later instant. A server asks for the next release four times a
/// second; one that could not reach the store for all of this time has been noticed.
const LAST_MINUTES: Duration = Duration::from_secs(600);

/// The embargo of the release that is to follow those that are `kept`, the current one last, for results of `data_set`.
///
/// An hour belongs to a data set. One that comes for the first time inherits the current release's: whoever seeds anew
/// while everybody waits does not mean to open. It can be moved, and only those results can be put under one of which
/// none was seen.
pub fn embargo(
    kept: &[Manifest],
    data_set: &str,
    asked: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Timestamp>, EmbargoError> {
    let own = hour_of(kept, data_set);
    let inherited = own.unwrap_or_else(|| kept.last().and_then(|current| current.not_before));
    let Some(asked) = asked else { return Ok(inherited) };
    if own == Some(Some(asked)) {
        // Whoever says the same again, even afterwards, asks for nothing new.
        return Ok(Some(asked));
    }
    if asked <= now {
        return Err(EmbargoError::Over(asked));
    }
    let held = inherited.filter(|held| *held > now);
    match (held, own) {
        (None, Some(opened)) => Err(EmbargoError::Visible(opened)),
        (Some(held), _) if asked > held && now + LAST_MINUTES >= held => Err(EmbargoError::TooLate { held }),
        _ => Ok(Some(asked)),
    }
}

/// The hour of a data set, as its newest release has it: `None` where none of them is kept.
pub(super) fn hour_of(kept: &[Manifest], data_set: &str) -> Option<Option<Timestamp>> {
    kept.iter().rev().find(|release| release.source.data_set == data_set).map(|release| release.not_before)
}

fn since(opened: Option<Timestamp>) -> String {
    opened.map_or_else(String::new, |opened| format!(" since {opened}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    /// A release of this data set with this embargo.
    fn release(data_set: &str, not_before: Option<&str>) -> Manifest {
        let json = format!(
            "{{\"format\":1,\"number\":7,\"parent\":6,\"repeats\":null,\"oldest\":1,\"attempt\":\"0000000000000001\",\
             \"created\":\"2026-06-01T06:00:00Z\",\"not_before\":{},\"renderer\":1,\"encoder\":\"zstd\",\
             \"source\":{{\"data_set\":\"{data_set}\",\"system\":\"s\",\"token\":\"t\",\"snapshot\":\"1:1:\"}},\
             \"width\":1000,\"students\":1,\"first_id\":1,\"last_id\":1,\"shards\":[{{\"key\":\"shards/0/{}-\
             0000000000000001.json.zst\",\"bytes\":1,\"students\":1,\"first_id\":1,\"last_id\":1}}]}}",
            not_before.map_or_else(|| "null".to_owned(), |instant| format!("\"{instant}\"")),
            "0".repeat(64)
        );
        serde_json::from_str(&json).expect("a manifest")
    }

    const HOUR: &str = "2026-07-01T06:00:00Z";

    #[test]
    fn an_embargo_is_inherited_moved_or_refused() {
        let (open, held) = (vec![release("exam", None)], vec![release("exam", Some(HOUR))]);
        let beside = |earlier: &[Manifest], not_before| [earlier, &[release("other", not_before)]].concat();
        let (other_held, other_open) = (beside(&open, Some(HOUR)), beside(&held, None));
        let other_opened = beside(&held, Some("2026-06-15T06:00:00Z"));
        let none = Vec::new();
        let later = Some(at("2026-07-01T07:00:00Z"));
        let earlier = Some(at("2026-07-01T05:59:59Z"));
        let hour = Some(at(HOUR));
        let long_before = "2026-06-30T06:00:00Z";
        let just_before = "2026-07-01T05:50:00Z";
        let a_little_earlier = "2026-07-01T05:49:59.999Z";
        let after = "2026-07-01T06:00:00Z";
        let over = |asked: Option<Timestamp>| Err(EmbargoError::Over(asked.expect("an instant")));
        let too_late = Err(EmbargoError::TooLate { held: at(HOUR) });
        let visible = |since: Option<Timestamp>| Err(EmbargoError::Visible(since));
        for (what, kept, data_set, asked, now, expected) in [
            ("the first release", &none, "exam", None, long_before, Ok(None)),
            ("the first release, under an embargo", &none, "exam", hour, long_before, Ok(hour)),
            ("an hour that is over", &none, "exam", hour, after, over(hour)),
            ("a further release before the hour", &held, "exam", None, long_before, Ok(hour)),
            ("seeded anew before the hour", &held, "exam 2", None, long_before, Ok(hour)),
            ("a further release after the hour", &held, "exam", None, after, Ok(hour)),
            ("the next exam after the hour", &held, "exam 2", None, after, Ok(hour)),
            ("the next exam under its own embargo", &held, "exam 2", later, after, Ok(later)),
            ("the next exam after one without", &open, "exam 2", hour, long_before, Ok(hour)),
            ("no embargo before and none now", &open, "exam", None, long_before, Ok(None)),
            ("hidden when it was seen", &open, "exam", hour, long_before, visible(None)),
            ("hidden again after the hour", &held, "exam", later, after, visible(hour)),
            ("moved to a later hour", &held, "exam", later, long_before, Ok(later)),
            ("moved just in time", &held, "exam", later, a_little_earlier, Ok(later)),
            ("moved too late", &held, "exam", later, just_before, too_late.clone()),
            ("moved too late by seeding anew", &held, "exam 2", later, just_before, too_late),
            ("moved to an earlier hour", &held, "exam", earlier, just_before, Ok(earlier)),
            ("moved to an hour that is over", &held, "exam", earlier, after, over(earlier)),
            (
                "its own hour is not lost to another data set's",
                &other_open,
                "exam",
                None,
                long_before,
                Ok(hour),
            ),
            ("nor when that has come", &other_opened, "exam", None, long_before, Ok(hour)),
            ("what was seen is not hidden by another's", &other_held, "exam", None, long_before, Ok(None)),
            ("nor can it be", &other_held, "exam", later, long_before, visible(None)),
            ("said again before the hour", &held, "exam", hour, just_before, Ok(hour)),
            ("said again after the hour", &held, "exam", hour, after, Ok(hour)),
        ] {
            assert_eq!(embargo(kept, data_set, asked, at(now)), expected, "{what}");
        }
    }
}
