//! The live path: what changed since publication, from the cache or else from the database, exactly.
//!
//! Look-ups in flight coalesce by student, standing and data set, so that nobody who asks after a correction joins an
//! older read. What runs at once is bounded, waits at most so long, and beyond that is refused.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared as SharedFuture},
};
use results_day::{
    cache::{Cache, Entry},
    changes::Standing,
    source::{LookedUp, Source, SourceError},
    student::{self, StudentId},
};
use tokio::runtime::Handle;

use crate::{
    metrics::{CacheResult, LookUpResult, LookUps},
    serving::Known,
};

/// Answers for one student as of now.
#[derive(Clone)]
pub(crate) struct Live(Arc<Inner>);

struct Inner {
    source: Arc<dyn Source>,
    cache: Arc<dyn Cache>,
    /// Connections live on the runtime that made them, so look-ups do as well, whoever asks.
    runtime: Handle,
    in_flight: Mutex<HashMap<Question, LookUp>>,
    counts: LookUps,
}

/// Whom is asked for, in which data set, under which standing.
type Question = (StudentId, Standing, String);

type Found = Result<Answer, Refusal>;

/// A look-up that any number of askers wait for.
type LookUp = SharedFuture<BoxFuture<'static, Found>>;

/// Why the live path is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Whoever asked wanted it so.
    Asked,
    /// The student has changed since the release.
    Changed,
    /// The release holds the student, and this server's copy of it is broken.
    Damaged,
}

/// What is true of a student now.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The document, or `None` for a student who is not there.
    pub(crate) document: Option<Bytes>,
    /// Where it was found.
    pub(crate) origin: Origin,
}

/// Where the live path found its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Cache,
    Database,
}

/// Why there is no answer now. There may be one in a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// More look-ups are in flight than can be answered in time.
    Overloaded,
    /// Neither the cache nor the database could tell.
    Unavailable(Cause),
}

/// What a log says of a look-up that failed. It never names the student.
pub(crate) type Cause = Arc<str>;

/// Look-ups in flight, coalesced ones counted once. At 0.1 ms each on a few connections the last of them
/// waits some milliseconds; a database a hundred times as slow still answers within [`PATIENCE`].
const IN_FLIGHT: usize = 256;

/// With so many in flight nobody is looked up who was merely asked for: who asks for any id at all, as fast as he can,
/// keeps no corrected student from his answer.
const IN_FLIGHT_ASKED: usize = 192;

/// What a look-up may take altogether. Somebody who waited this long is better told to come back.
const PATIENCE: Duration = Duration::from_secs(2);

impl Live {
    pub(crate) fn new(source: Arc<dyn Source>, cache: Arc<dyn Cache>, runtime: Handle) -> Self {
        let counts = LookUps::default();
        Self(Arc::new(Inner { source, cache, runtime, in_flight: Mutex::default(), counts }))
    }

    /// Looks the student up, given what the asker knows of changes: nothing older is answered.
    pub(crate) async fn look_up(&self, id: StudentId, known: &Known, reason: Reason) -> Found {
        let question = (id, known.log.standing(id), known.data_set.clone());
        let found = {
            let mut in_flight = self.0.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
            match in_flight.get(&question) {
                Some(found) => {
                    self.0.counts.coalesced();
                    found.clone()
                }
                None if in_flight.len() >= reason.room() => {
                    self.0.counts.ended(LookUpResult::Overloaded);
                    return Err(Refusal::Overloaded);
                }
                None => {
                    let found = self.start(question.clone(), known.clone());
                    in_flight.insert(question, found.clone());
                    found
                }
            }
        };
        found.await
    }

    /// What became of the look-ups so far.
    pub(crate) fn counts(&self) -> &LookUps {
        &self.0.counts
    }

    /// How many look-ups have not ended.
    pub(crate) fn in_flight(&self) -> usize {
        self.0.in_flight.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Starts a look-up that goes on even where everybody who waits for it gives up: what it finds is cached.
    fn start(&self, question: Question, known: Known) -> LookUp {
        let inner = self.0.clone();
        let look_up = self.0.runtime.spawn(async move {
            let begun = Instant::now();
            let (id, standing, _) = question;
            // The guard makes room for the next look-up even if this one panics.
            let _landing = Landing { inner: inner.clone(), question };
            let found = tokio::time::timeout(PATIENCE, inner.find(id, standing, &known)).await;
            inner.counts.took(begun.elapsed());
            match found {
                Ok(Ok(answer)) => {
                    let absent = answer.document.is_none();
                    inner.counts.ended(if absent { LookUpResult::Absent } else { LookUpResult::Found });
                    Ok(answer)
                }
                Ok(refusal) => refusal,
                Err(_) => Err(inner.unavailable(LookUpResult::TimedOut, "no answer in time")),
            }
        });
        look_up.map(|found| found.unwrap_or_else(|_| Err(unavailable("a look-up panicked")))).boxed().shared()
    }
}

impl Reason {
    /// With how many look-ups in flight it is refused.
    const fn room(self) -> usize {
        match self {
            Self::Asked => IN_FLIGHT_ASKED,
            Self::Changed | Self::Damaged => IN_FLIGHT,
        }
    }
}

impl Inner {
    async fn find(&self, id: StudentId, standing: Standing, known: &Known) -> Found {
        // Of a log that is not whole, two documents may have the same standing.
        if !known.doubtful
            && let Some(document) = self.cached(id, standing, known).await
        {
            return Ok(Answer { document, origin: Origin::Cache });
        }
        let LookedUp { data_set, student, standing: read } =
            self.source.student(id).await.map_err(|error| match error {
                // It names its student; that part is for the publisher's eyes, not for a log.
                SourceError::InvalidRow { .. } => self.unavailable(LookUpResult::Refused, "a row is invalid"),
                other => self.unavailable(LookUpResult::Failed, &other.to_string()),
            })?;
        if data_set != known.data_set {
            let cause = "the database holds another data set than a moment ago";
            return Err(self.unavailable(LookUpResult::Refused, cause));
        }
        if !known.admits(id, read) {
            let cause = "the database has less than it had logged before; it was restored";
            return Err(self.unavailable(LookUpResult::Refused, cause));
        }
        let document = student.map(|student| {
            let mut document = Vec::new();
            student::render(&student, &mut document);
            Bytes::from(document)
        });
        // That somebody is not there is kept of those only whom the log knows: there are a billion others to ask for, and
        // each would take the place of a student.
        let is_kept = !known.doubtful && (document.is_some() || read.own.is_some());
        let entry = Entry { standing: read, document: document.clone() };
        if is_kept && let Err(error) = self.cache.put(&known.data_set, id, entry).await {
            tracing::debug!(%error, "an answer was not cached");
            self.counts.uncached();
        }
        Ok(Answer { document, origin: Origin::Database })
    }

    fn unavailable(&self, result: LookUpResult, cause: &str) -> Refusal {
        self.counts.ended(result);
        unavailable(cause)
    }

    /// The cached document, if it was read under just this standing.
    async fn cached(&self, id: StudentId, standing: Standing, known: &Known) -> Option<Option<Bytes>> {
        let (result, document) = match self.cache.get(&known.data_set, id).await {
            Ok(Some(entry)) if entry.standing == standing => (CacheResult::Hit, Some(entry.document)),
            Ok(Some(_)) => (CacheResult::Stale, None),
            Ok(None) => (CacheResult::Miss, None),
            Err(error) => {
                tracing::debug!(%error, "the cache was not asked");
                (CacheResult::Error, None)
            }
        };
        self.counts.cache(result);
        document
    }
}

fn unavailable(cause: &str) -> Refusal {
    Refusal::Unavailable(cause.into())
}

/// Takes a look-up off the list when it ends, however it ends.
struct Landing {
    inner: Arc<Inner>,
    question: Question,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.inner.in_flight.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.question);
    }
}
