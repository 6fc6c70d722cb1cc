//! The second listener, for those who run the server: is it alive, is it ready.

use axum::{Router, routing::get};
use http::StatusCode;

use crate::serving::{NotReady, Shared};

/// `/healthz` and `/readyz`.
pub(crate) fn routes(shared: &'static Shared) -> Router {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(async move || ready(shared)))
}

fn ready(shared: &Shared) -> (StatusCode, &'static str) {
    if shared.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    match shared.serving().ready() {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(NotReady::NoRelease) => (StatusCode::SERVICE_UNAVAILABLE, "no release is loaded\n"),
        Err(NotReady::NoKnowledge) => {
            (StatusCode::SERVICE_UNAVAILABLE, "the database has not been heard from yet\n")
        }
    }
}
