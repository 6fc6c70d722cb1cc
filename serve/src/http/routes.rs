//! What the release does not hold: changed students, the live API, and every refusal.

use std::{any::Any, sync::Arc};

use axum::{
    Extension, Router,
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
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
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{Any as AnyOrigin, CorsLayer},
};

use super::{
    answer,
    cache_policy::CachePolicy,
    failure::{self, Failure},
    problem::{METHODS, Problem},
    release_status::release_status,
    target::Target,
};
use crate::{
    live::{Answer, Live, Origin, Reason},
    serving::{Knowledge, Serving, Shared, Verdict},
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
        .layer(axum::middleware::from_fn_with_state(failure::budget(), failure::tell))
}

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
    let (id, reason) = match target {
        Target::Live(id) => (id, Reason::Asked),
        Target::Published(id) => match serving.verdict(id) {
            Verdict::Absent => return problem(Problem::UnknownStudent),
            Verdict::NotReady(reason) => return problem(reason),
            Verdict::Changed => (id, Reason::Changed),
            Verdict::Published(found) => match answer::published(&method, &headers, found) {
                Ok(response) => return response.map(Body::new),
                Err(_) => (id, Reason::Damaged),
            },
            Verdict::Damaged => (id, Reason::Damaged),
        },
    };
    if reason == Reason::Damaged {
        routes.shared.found_damage(&serving);
        if routes.live.is_none() {
            return problem(Problem::Damaged);
        }
    }
    let answer = routes.look_up(id, &serving, reason).await.and_then(|(frame, origin)| {
        let cache_status = reason.cache_status(origin);
        Ok(answer::document(&method, &headers, frame.hash, CachePolicy::Live, cache_status, || Ok(frame))?)
    });
    match answer {
        Ok(response) => response.map(Body::new),
        Err(failure) => failure.response(),
    }
}

impl Routes {
    /// Asks the live path, under the same conditions under which the release is served.
    async fn look_up(
        &self,
        id: StudentId,
        serving: &Serving,
        reason: Reason,
    ) -> Result<(Frame, Origin), Failure> {
        serving.ready()?;
        let (Some(live), Knowledge::Known(known)) = (&self.live, &serving.knowledge) else {
            return Err(Problem::NoLiveApi.into());
        };
        let Answer { document, origin } = live.look_up(id, known, reason).await?;
        let document = document.ok_or(Problem::UnknownStudent)?;
        Ok((frame(id, &document).ok_or(Problem::Internal)?, origin))
    }
}

async fn release(State(routes): State<Routes>, Extension(serving): Extension<Arc<Serving>>) -> Response {
    release_status(routes.shared, &serving)
}

impl Reason {
    /// What `Cache-Status` (RFC 9211, 2.2) says of an answer that came from there.
    const fn cache_status(self, origin: Origin) -> HeaderValue {
        HeaderValue::from_static(match (self, origin) {
            (Self::Asked, Origin::Cache) => "results-day;fwd=bypass;detail=cache",
            (Self::Asked, Origin::Database) => "results-day;fwd=bypass;detail=database",
            (Self::Changed, Origin::Cache) => "results-day;fwd=stale;detail=cache",
            (Self::Changed, Origin::Database) => "results-day;fwd=stale;detail=database",
            (Self::Damaged, Origin::Cache) => "results-day;fwd=miss;detail=cache",
            (Self::Damaged, Origin::Database) => "results-day;fwd=miss;detail=database",
        })
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
    problem(Problem::Internal)
}

fn problem(problem: impl Into<Failure>) -> Response {
    problem.into().response()
}
