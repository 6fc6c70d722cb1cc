//! What a request sees, from its beginning to its end: one release and one state of knowledge.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::{ArcSwap, Guard};
use jiff::Timestamp;
use results_day::{
    changes::{ChangeLog, Snapshot, Standing},
    shard::Found,
    student::StudentId,
};

use crate::{
    embargo::{Gate, Moment},
    follow::Followed,
    release_cache::LoadedRelease,
};

/// A release together with what is known to have changed. Never altered: a new one takes its place.
#[derive(Debug, Clone)]
pub(crate) struct Serving {
    /// The current release, once one is loaded.
    pub(crate) release: Option<Arc<LoadedRelease>>,
    /// Whether it may be seen. It is the gate of the whole server: whatever was visible before the current release
    /// is not while that is closed.
    pub(crate) gate: Gate,
    /// What this server knows of changes.
    pub(crate) knowledge: Knowledge,
}

/// What this server knows of changes.
#[derive(Debug, Clone)]
pub(crate) enum Knowledge {
    /// It was given no database: the release is all there is.
    Static,
    /// It was given a database that it has never heard from, and found nothing on disk: it can call nobody
    /// unchanged.
    Nothing,
    /// All that the database has logged, as of the last poll.
    Known(Known),
}

/// The change log as of the last poll.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// Whose log it is.
    pub(crate) data_set: String,
    /// The log.
    pub(crate) log: ChangeLog,
    /// What the last poll saw; nothing, where the log comes from disk and the database has not been heard.
    pub(crate) seen: Snapshot,
    /// The tokens of releases that the database was asked about, and whether it holds them.
    pub(crate) tokens: Tokens,
    /// The database was seen not to log its changes, and has not said since that everything changed.
    pub(crate) doubtful: bool,
}

/// Who answers for a student.
#[derive(Debug)]
pub(crate) enum Verdict<'a> {
    /// The release does, with this frame.
    Published(Found<'a>),
    /// There is no such student, in the release or since.
    Absent,
    /// The live path does.
    Changed,
    /// A cached shard is not what it was. The live path may know.
    Damaged,
    /// Nobody can, whoever is asked for.
    NotReady(NotReady),
}

/// Why nobody can be answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotReady {
    /// There is no release yet.
    NoRelease,
    /// Nobody may see the release before this instant.
    Embargoed(Timestamp),
    /// This server knows nothing of changes yet.
    NoKnowledge,
    /// The database holds another data set than the release, whose own release is not there yet: what the database
    /// holds may not be seen, and who is unchanged in the release it does not know.
    OtherDataSet,
}

/// The last few tokens that a database was asked about, and whether it holds them. One that was restored from an older
/// backup does not hold that of a release which was read before.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tokens(Arc<[(String, bool)]>);

impl Tokens {
    /// More releases than anybody looks back upon.
    const LAST: usize = 32;

    /// Whether the database holds it; `None` where it was not asked, or long ago.
    pub(crate) fn held(&self, token: &str) -> Option<bool> {
        self.0.iter().rev().find_map(|(asked, held)| (asked == token).then_some(*held))
    }

    pub(crate) fn insert(&mut self, token: String, held: bool) {
        let others = self.0.iter().filter(|(asked, _)| *asked != token).cloned();
        let mut tokens: Vec<_> = others.chain([(token.clone(), held)]).collect();
        tokens.drain(..tokens.len().saturating_sub(Self::LAST));
        self.0 = tokens.into();
    }
}

impl Serving {
    /// Who answers for this student.
    pub(crate) fn verdict(&self, id: StudentId) -> Verdict<'_> {
        let release = match self.ready() {
            Err(reason) => return Verdict::NotReady(reason),
            Ok(release) => release,
        };
        if let Knowledge::Known(known) = &self.knowledge
            && known.changed_since(release, id)
        {
            return Verdict::Changed;
        }
        match release.locate(id) {
            Ok(Some(found)) => Verdict::Published(found),
            Ok(None) => Verdict::Absent,
            Err(_) => Verdict::Damaged,
        }
    }

    /// The release, where anybody can be answered at all. Everything that depends on an id passes here first.
    pub(crate) fn ready(&self) -> Result<&LoadedRelease, NotReady> {
        match (&self.release, self.gate) {
            (Some(_), Gate::Closed(embargo)) => Err(NotReady::Embargoed(embargo.until)),
            _ => self.able(),
        }
    }

    /// The release, where anybody can be answered as soon as it may be seen.
    pub(crate) fn able(&self) -> Result<&LoadedRelease, NotReady> {
        match (&self.release, &self.knowledge) {
            (None, _) => Err(NotReady::NoRelease),
            (_, Knowledge::Nothing) => Err(NotReady::NoKnowledge),
            (Some(release), Knowledge::Known(known)) if !known.is_of(release) => Err(NotReady::OtherDataSet),
            (Some(release), Knowledge::Static | Knowledge::Known(_)) => Ok(release),
        }
    }

    /// Puts a release in the place of the current one. `not_before` is its hour, or the later one to which it is known
    /// to have been moved; `opened` says that its data set was visible before this server started.
    pub(crate) fn switch_to(
        &mut self,
        release: Arc<LoadedRelease>,
        not_before: Option<Timestamp>,
        opened: bool,
        now: Moment,
    ) {
        let same =
            self.release.as_ref().is_none_or(|current| current.is_of_the_data_set_of(&release.manifest));
        let before = match (self.release.as_ref().map(|_| self.gate), opened) {
            (_, true) => Some(Gate::Open),
            // What is open is so for its own data set. What is closed has seen the clock before it may have jumped.
            (Some(Gate::Open), false) if !same => None,
            (before, false) => before,
        };
        self.gate = Gate::of(not_before, before, now);
        self.release = Some(release);
    }
}

impl Known {
    fn changed_since(&self, release: &LoadedRelease, id: StudentId) -> bool {
        !self.tells_about(release) || !self.log.standing(id).seen_by(&release.manifest.source.snapshot)
    }

    /// Whether this is the log of the data set that the release was read from.
    pub(crate) fn is_of(&self, release: &LoadedRelease) -> bool {
        self.data_set == release.manifest.source.data_set
    }

    /// Whether this log, given that it is of the release's data set, can say who is unchanged since: everything that
    /// the release was read from is in it, and it is whole.
    ///
    /// A release that was just published was read from the database that is there, whether or not it has been asked
    /// yet. One that somebody rolled back to may be from before a backup was restored.
    pub(crate) fn tells_about(&self, release: &LoadedRelease) -> bool {
        let manifest = &release.manifest;
        !self.doubtful && self.tokens.held(&manifest.source.token).unwrap_or(!manifest.is_rollback())
    }

    /// Whether everybody is answered live, given that this log is of the release's data set.
    pub(crate) fn everybody_changed_since(&self, release: &LoadedRelease) -> bool {
        let snapshot = &release.manifest.source.snapshot;
        let all = self.log.everything().is_some_and(|change| !snapshot.sees(change.transaction));
        all || !self.tells_about(release)
    }

    /// Whether what was read under `read` can be shown to somebody who knows this log. It may be newer than
    /// the log, never older: that would be a database restored behind this server's back.
    pub(crate) fn admits(&self, id: StudentId, read: Standing) -> bool {
        let known = self.log.standing(id);
        [(read.own, known.own), (read.everything, known.everything)].into_iter().all(|(read, known)| {
            read == known || read.is_some_and(|change| !self.seen.sees(change.transaction))
        })
    }
}

/// The one place where the current [`Serving`] lies, and when the database was last heard from.
///
/// There is one for the whole life of the program, which everybody refers to: counting references would make
/// the cores fight for the counter at every request.
#[derive(Debug)]
pub(crate) struct Shared {
    serving: ArcSwap<Serving>,
    /// Held by whoever makes a new `Serving` from the old one.
    update: Mutex<()>,
    heard: Mutex<Option<Instant>>,
    followed: Followed,
    damaged: AtomicBool,
    draining: AtomicBool,
}

impl Shared {
    pub(crate) fn for_the_whole_program(serving: Serving) -> &'static Self {
        Box::leak(Box::new(Self {
            serving: ArcSwap::from_pointee(serving),
            update: Mutex::new(()),
            heard: Mutex::new(None),
            followed: Followed::default(),
            damaged: AtomicBool::new(false),
            draining: AtomicBool::new(false),
        }))
    }

    /// What a request that arrives now sees.
    pub(crate) fn serving(&self) -> Guard<Arc<Serving>> {
        self.serving.load()
    }

    /// Puts a changed copy in the place of the current one; requests see all of the change or nothing.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Serving)) {
        let _alone = self.update.lock().unwrap_or_else(PoisonError::into_inner);
        let mut serving = Serving::clone(&self.serving.load());
        change(&mut serving);
        self.serving.store(Arc::new(serving));
    }

    /// The database has just answered a poll.
    pub(crate) fn heard(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.followed.set_database_answers(true);
    }

    /// What those who follow have met.
    pub(crate) fn followed(&self) -> &Followed {
        &self.followed
    }

    /// How old the knowledge of changes is; `None` where the database has not answered since the start.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).map(|heard| heard.elapsed())
    }

    /// A request that sees this has met a shard that is not what it was. Said once; whoever follows the releases
    /// repairs it.
    pub(crate) fn found_damage(&self, serving: &Serving) {
        let release = |serving: &Serving| serving.release.as_ref().map(Arc::as_ptr);
        // What is repaired already may be met for a moment longer by who began before.
        if release(&self.serving.load()) == release(serving) && !self.damaged.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "a shard is damaged; its students are answered live or not at all until it is repaired"
            );
        }
    }

    /// Whether damage was found and not repaired yet.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Every shard of the current release has been looked at, and is what it was. Whether damage had been found.
    pub(crate) fn repaired(&self) -> bool {
        self.damaged.swap(false, Ordering::Relaxed)
    }

    /// From now on connections are closed after their next answer.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the server is about to stop.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
