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

/// The embargo of the release that is to follow `base`, for results of `data_set`.
///
/// It is inherited, whatever data set comes next: whoever seeds anew while everybody waits does not mean to open, and
/// one that has ended hides nothing. It can be moved, and only those results can be put under one of which none was
/// seen.
pub fn embargo(
    base: Option<&Manifest>,
    data_set: &str,
    asked: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Timestamp>, EmbargoError> {
    let inherited = base.and_then(|base| base.not_before);
    let Some(asked) = asked else { return Ok(inherited) };
    let held = inherited.filter(|held| *held > now);
    let same = base.filter(|base| base.source.data_set == data_set);
    if same.is_some_and(|base| base.not_before == Some(asked)) {
        // Whoever says the same again, even afterwards, asks for nothing new.
        return Ok(Some(asked));
    }
    if asked <= now {
        return Err(EmbargoError::Over(asked));
    }
    match (held, same) {
        (None, Some(base)) => Err(EmbargoError::Visible(base.not_before)),
        (Some(held), _) if asked > held && now + LAST_MINUTES >= held => Err(EmbargoError::TooLate { held }),
        _ => Ok(Some(asked)),
    }
}

impl Manifest {
    /// The embargo of this release when it is named again on top of `current`. The same results are under the one
    /// that was agreed on last; those of another data set under the later one.
    pub(super) fn embargo_on_top_of(&self, current: &Manifest) -> Option<Timestamp> {
        if self.source.data_set == current.source.data_set {
            current.not_before
        } else {
            self.not_before.max(current.not_before)
        }
    }
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

    /// A release of the data set `exam` with this embargo.
    fn release(not_before: Option<&str>) -> Manifest {
        let json = format!(
            "{{\"format\":1,\"number\":7,\"parent\":6,\"repeats\":null,\"oldest\":1,\"attempt\":\"0000000000000001\",\
             \"created\":\"2026-06-01T06:00:00Z\",\"not_before\":{},\"renderer\":1,\"encoder\":\"zstd\",\
             \"source\":{{\"data_set\":\"exam\",\"system\":\"s\",\"token\":\"t\",\"snapshot\":\"1:1:\"}},\
             \"width\":1000,\"students\":1,\"first_id\":1,\"last_id\":1,\"shards\":[{{\"key\":\"shards/0/{}-\
             0000000000000001.json.zst\",\"bytes\":1,\"students\":1,\"first_id\":1,\"last_id\":1}}]}}",
            not_before.map_or_else(|| "null".to_owned(), |instant| format!("\"{instant}\"")),
            "0".repeat(64)
        );
        Manifest::from_json("7".parse().expect("a number"), json.as_bytes()).expect("a manifest")
    }

    const HOUR: &str = "2026-07-01T06:00:00Z";

    #[test]
    fn an_embargo_is_inherited_moved_or_refused() {
        let (open, held) = (release(None), release(Some(HOUR)));
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
        for (what, base, data_set, asked, now, expected) in [
            ("the first release", None, "exam", None, long_before, Ok(None)),
            ("the first release, under an embargo", None, "exam", hour, long_before, Ok(hour)),
            ("an hour that is over", None, "exam", hour, after, over(hour)),
            ("a further release before the hour", Some(&held), "exam", None, long_before, Ok(hour)),
            ("seeded anew before the hour", Some(&held), "exam 2", None, long_before, Ok(hour)),
            ("a further release after the hour", Some(&held), "exam", None, after, Ok(hour)),
            ("the next exam after the hour", Some(&held), "exam 2", None, after, Ok(hour)),
            ("the next exam under its own embargo", Some(&held), "exam 2", later, after, Ok(later)),
            ("the next exam after one without", Some(&open), "exam 2", hour, long_before, Ok(hour)),
            ("no embargo before and none now", Some(&open), "exam", None, long_before, Ok(None)),
            ("hidden when it was seen", Some(&open), "exam", hour, long_before, visible(None)),
            ("hidden again after the hour", Some(&held), "exam", later, after, visible(hour)),
            ("moved to a later hour", Some(&held), "exam", later, long_before, Ok(later)),
            ("moved just in time", Some(&held), "exam", later, a_little_earlier, Ok(later)),
            ("moved too late", Some(&held), "exam", later, just_before, too_late.clone()),
            ("moved too late by seeding anew", Some(&held), "exam 2", later, just_before, too_late),
            ("moved to an earlier hour", Some(&held), "exam", earlier, just_before, Ok(earlier)),
            ("moved to an hour that is over", Some(&held), "exam", earlier, after, over(earlier)),
            ("said again before the hour", Some(&held), "exam", hour, just_before, Ok(hour)),
            ("said again after the hour", Some(&held), "exam", hour, after, Ok(hour)),
        ] {
            assert_eq!(embargo(base, data_set, asked, at(now)), expected, "{what}");
        }
    }
}
