//! What the release does not hold: changed students, the live API, `/release.json`, and every refusal.

use std::{any::Any, sync::Arc};

use axum::{
    Extension, Router,
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri,
    header::{ALLOW, IF_NONE_MATCH},
};
use results_day::{
    shard::{Compressor, Frame},
    student::StudentId,
};
use serde::Serialize;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{Any as AnyOrigin, CorsLayer},
};

use super::{
    answer,
    cache_policy::CachePolicy,
    problem::{METHODS, Problem},
    target::Target,
};
use crate::{
    live::{Answer, Live, Origin, Refusal},
    serving::{Knowledge, Known, NotReady, Serving, Shared, Verdict},
};

/// What the routes need. Without a database there is no live path.
#[derive(Clone)]
struct Routes {
    shared: &'static Shared,
    live: Option<Live>,
}

/// The routes behind [`ServeRelease`](super::ServeRelease).
pub(crate) fn routes(shared: &'static Shared, live: Option<Live>) -> Router {
    // Anybody's page may show a result. Nothing varies by origin, so no cache has to keep them apart.
    let cors = CorsLayer::new()
        .allow_origin(AnyOrigin)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([IF_NONE_MATCH])
        .vary::<[HeaderName; 0]>([]);
    let read_only = || get(student).fallback(method_not_allowed);
    Router::new()
        .route("/student/", read_only())
        .route("/student/{name}", read_only())
        .route("/release.json", get(release).fallback(method_not_allowed))
        .fallback(async || problem(Problem::UnknownPath))
        .with_state(Routes { shared, live })
        .layer(cors)
        .layer(axum::middleware::from_fn(say_what_is_allowed))
        .layer(CatchPanicLayer::custom(panicked))
}

/// Why the live path is asked, in terms of `Cache-Status` (RFC 9211, 2.2).
const ASKED_LIVE: &str = "results-day;fwd=bypass";
const CHANGED: &str = "results-day;fwd=stale";
const DAMAGED: &str = "results-day;fwd=miss";

/// A student whom the release does not answer for: changed, unknown, or asked for by the live API.
async fn student(
    State(routes): State<Routes>,
    Extension(serving): Extension<Arc<Serving>>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let target = match Target::parse(uri.path()) {
        Some(Ok(target)) => target,
        Some(Err(error)) => return problem(Problem::InvalidId(error)),
        None => return problem(Problem::UnknownPath),
    };
    let (id, cache_status) = match target {
        Target::Live(id) => (id, ASKED_LIVE),
        Target::Published(id) => match serving.verdict(id) {
            Verdict::Absent => return problem(Problem::UnknownStudent),
            Verdict::NotReady(reason) => return problem(reason.into()),
            Verdict::Changed => (id, CHANGED),
            Verdict::Published(found) => match answer::published(&method, &headers, found) {
                Ok(response) => return response.map(Body::new),
                Err(_) => (id, DAMAGED),
            },
            Verdict::Damaged => (id, DAMAGED),
        },
    };
    if cache_status == DAMAGED {
        tracing::error!("a cached shard is damaged");
        if routes.live.is_none() {
            return problem(Problem::Damaged);
        }
    }
    let answer = routes.look_up(id, &serving).await.and_then(|(frame, origin)| {
        let cache_status = HeaderValue::from_str(&format!("{cache_status};detail={}", origin.name()))
            .map_err(|_| Problem::Internal)?;
        answer::document(&method, &headers, frame.hash, CachePolicy::Live, cache_status, || Ok(frame))
    });
    match answer {
        Ok(response) => response.map(Body::new),
        Err(refusal) => problem(refusal),
    }
}

impl Routes {
    /// Asks the live path, under the same conditions under which the release is served.
    async fn look_up(&self, id: StudentId, serving: &Serving) -> Result<(Frame, Origin), Problem> {
        serving.ready()?;
        let (Some(live), Knowledge::Known(known)) = (&self.live, &serving.knowledge) else {
            return Err(Problem::NoLiveApi);
        };
        let Answer { document, origin } = live.look_up(id, known).await?;
        let document = document.ok_or(Problem::UnknownStudent)?;
        Ok((frame(id, &document).ok_or(Problem::Internal)?, origin))
    }
}

/// `GET /release.json`: what is served, and how old the knowledge of changes is.
#[derive(Serialize)]
struct ReleaseStatus {
    /// The current release's number; null before the first.
    release: Option<u64>,
    /// How many students it holds.
    students: u64,
    /// When it was made.
    published: Option<String>,
    /// What is known of changes; null for a server without a database.
    changes: Option<ChangesStatus>,
}

#[derive(Serialize)]
struct ChangesStatus {
    /// How many students have changed since the release: their results are answered live.
    since_release: usize,
    /// Whether everybody has: the release is of another data set, or of a state that the database lost.
    everybody: bool,
    /// Seconds since the database last answered; null where it has not since this server started.
    age_seconds: Option<f64>,
}

async fn release(State(routes): State<Routes>, Extension(serving): Extension<Arc<Serving>>) -> Response {
    let manifest = serving.release.as_ref().map(|release| &release.manifest);
    let status = ReleaseStatus {
        release: manifest.map(|manifest| manifest.number.get()),
        students: manifest.map_or(0, |manifest| manifest.students),
        published: manifest.map(|manifest| manifest.created.to_string()),
        changes: match &serving.knowledge {
            Knowledge::Static => None,
            Knowledge::Nothing => {
                Some(ChangesStatus { since_release: 0, everybody: false, age_seconds: None })
            }
            Knowledge::Known(known) => Some(ChangesStatus {
                age_seconds: routes.shared.age().map(|age| age.as_secs_f64()),
                ..ChangesStatus::of(known, &serving)
            }),
        },
    };
    ([(http::header::CACHE_CONTROL, CachePolicy::Live.header())], axum::Json(status)).into_response()
}

impl ChangesStatus {
    fn of(known: &Known, serving: &Serving) -> Self {
        let Some(release) = &serving.release else {
            return Self { since_release: 0, everybody: false, age_seconds: None };
        };
        let snapshot = &release.manifest.source.snapshot;
        let all = known.log.everything().is_some_and(|change| !snapshot.sees(change.transaction));
        Self {
            since_release: known.log.since(snapshot),
            everybody: all || !known.tells_about(release),
            age_seconds: None,
        }
    }
}

impl From<NotReady> for Problem {
    fn from(reason: NotReady) -> Self {
        match reason {
            NotReady::NoRelease => Self::NoRelease,
            NotReady::NoKnowledge => Self::NoKnowledge,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Overloaded => Self::Overloaded,
            Refusal::Unavailable => Self::LiveUnavailable,
        }
    }
}

impl Origin {
    /// The `detail` of `Cache-Status`.
    const fn name(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Database => "database",
        }
    }
}

/// The document as the publisher would have compressed it, so that its entity tag is that of the next
/// release.
fn frame(id: StudentId, document: &[u8]) -> Option<Frame> {
    let mut compressed = Vec::new();
    Compressor::new().and_then(|mut compressor| compressor.compress(document, &mut compressed)).ok()?;
    Some(Frame::new(id, Bytes::from(compressed)))
}

/// The layer that answers OPTIONS knows of CORS only; `Allow` is for everybody (RFC 9110, 10.2.1).
async fn say_what_is_allowed(request: Request, next: Next) -> Response {
    let asked = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    if asked {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
    }
    response
}

async fn method_not_allowed() -> Response {
    problem(Problem::MethodNotAllowed)
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a request panicked; this is a bug");
    problem(Problem::Internal)
}

fn problem(problem: Problem) -> Response {
    problem.response().map(Body::new)
}
