//! Requests that this server has failed: what is answered, and the line in the log that tells of it.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use results_day::log::Budget;

use super::{
    problem::Problem,
    request_id::{RequestId, X_REQUEST_ID},
};
use crate::{
    live::{Cause, Refusal},
    serving::NotReady,
};

/// Why a request gets no document.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    problem: Problem,
    /// What only the log says.
    cause: Option<Cause>,
}

/// Lines in a second. A failure that comes now and then is told of each time; in an outage that fails everybody the first
/// few say as much as all of them, and the log must not be what fails next.
const LINES: u32 = 10;

impl Failure {
    /// The answer. If it is a failure of this server, [`tell`] has more to do with it.
    pub(super) fn response(self) -> Response {
        let mut response = self.problem.response().map(Body::new);
        if self.problem.is_failure() {
            response.extensions_mut().insert(self);
        }
        response
    }
}

impl<P: Into<Problem>> From<P> for Failure {
    fn from(problem: P) -> Self {
        Self { problem: problem.into(), cause: None }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Overloaded => Problem::Overloaded.into(),
            Refusal::Unavailable(cause) => Self { problem: Problem::LiveUnavailable, cause: Some(cause) },
        }
    }
}

impl From<NotReady> for Problem {
    fn from(reason: NotReady) -> Self {
        match reason {
            NotReady::NoRelease => Self::NoRelease,
            NotReady::Embargoed(until) => Self::Embargoed(until),
            NotReady::NoKnowledge => Self::NoKnowledge,
            NotReady::OtherDataSet => Self::OtherDataSet,
        }
    }
}

/// What [`tell`] needs.
pub(super) fn budget() -> Arc<Budget> {
    Arc::new(Budget::of(LINES))
}

/// Gives a request that was failed its name, in the answer and in the log. Whoever was failed quotes it, and whoever
/// looks after the server finds the line.
pub(super) async fn tell(State(budget): State<Arc<Budget>>, request: Request, next: Next) -> Response {
    let sent = request.headers().get(X_REQUEST_ID).cloned();
    let mut response = next.run(request).await;
    let Some(Failure { problem, cause }) = response.extensions_mut().remove::<Failure>() else {
        return response;
    };
    let id = RequestId::of(sent.as_ref());
    let (request_id, name, status) = (id.as_str(), problem.name(), response.status().as_u16());
    match budget.admits() {
        Some(unsaid) => {
            tracing::warn!(
                request_id,
                problem = name,
                status,
                cause = cause.as_deref(),
                unsaid,
                "a request failed"
            );
        }
        None => {
            tracing::debug!(request_id, problem = name, status, cause = cause.as_deref(), "a request failed")
        }
    }
    problem.response_to(&id).map(Body::new)
}
