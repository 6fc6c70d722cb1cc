//! Who publishes, and which hour that gives a release.

use anyhow::bail;
use jiff::Timestamp;
use results_day::release::{Manifest, ReleaseNumber, ReleaseStore, RunStart, embargo};

/// Who publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publisher {
    /// Somebody who knows what the current release is.
    Person {
        /// Sets the embargo, or moves it; without it the embargo stays as it is.
        not_before: Option<Timestamp>,
    },
    /// A program on its own. It publishes nothing on top of a rollback, which somebody made for a reason, and nothing
    /// of another data set than the current release's: when those results may be seen is for somebody to say.
    Watcher {
        /// The embargo of the first release of all.
        not_before: Option<Timestamp>,
    },
}

/// What was current when a publication began. However often it starts over: who gave it an hour knew of the hour that
/// was set then, and of none that somebody has set since.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Began {
    release: Option<ReleaseNumber>,
    not_before: Option<Timestamp>,
}

impl Publisher {
    pub(crate) fn is_person(self) -> bool {
        matches!(self, Self::Person { .. })
    }

    /// The embargo of what follows `base`, as things stand now.
    pub(crate) async fn embargo(
        self,
        store: &ReleaseStore,
        base: Option<&Manifest>,
        data_set: &str,
        began: Began,
    ) -> anyhow::Result<Option<Timestamp>> {
        let now = Timestamp::now();
        let asked = match self {
            Self::Person { not_before } => not_before,
            // An hour that is over does no harm, and a clock that is fast must not drop one that is not.
            Self::Watcher { not_before } if base.is_none() => return Ok(not_before),
            // It is started again with the same flags, long after the hour as well.
            Self::Watcher { .. } => None,
        };
        // Whose clock is slow must not hide what was seen, nor put off what is about to open.
        let now = if asked.is_some() { now.max(store.now().await?) } else { now };
        let kept = match base {
            None => Vec::new(),
            Some(base) => store.kept_of(data_set, base).await?,
        };
        if let Some(asked) = asked {
            began.allows(asked, &kept, data_set)?;
        }
        Ok(embargo(&kept, data_set, asked, now)?)
    }
}

impl Began {
    /// On top of this release.
    pub(crate) fn on(base: Option<&Manifest>) -> Self {
        Self { release: base.map(|base| base.number), not_before: base.and_then(|base| base.not_before) }
    }

    /// Whether this hour may still be set: not over another one that somebody has given these results since.
    fn allows(self, asked: Timestamp, kept: &[Manifest], data_set: &str) -> anyhow::Result<()> {
        let newest = kept.iter().rev().find(|release| release.source.data_set == data_set);
        if let Some(newest) = newest
            && let Some(set) = newest.not_before
            && Some(newest.number) > self.release
            && ![Some(asked), self.not_before].contains(&Some(set))
        {
            let before = self.not_before.map_or("there was none".to_owned(), |hour| format!("it was {hour}"));
            bail!(
                "since this publication began, when {before}, release {} was given the hour {set}, which is not moved to \
                 {asked} unseen; to publish under {set} leave --not-before out, and to move it all the same begin \
                 another publication with --not-before (in parts: with another --run)",
                newest.number
            );
        }
        Ok(())
    }
}

impl From<&RunStart> for Began {
    fn from(start: &RunStart) -> Self {
        Self { release: start.current, not_before: start.not_before }
    }
}
