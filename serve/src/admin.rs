//! The second listener, for those who run the server: is it alive, is it ready, how does it do.

use std::{borrow::Cow, sync::Arc};

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header::CONTENT_TYPE};
use results_day::metrics::{self, Page};

use crate::serving::{NotReady, Shared};

/// `/healthz`, `/readyz` and `/metrics`.
pub(crate) fn routes(shared: &'static Shared, page: Page) -> Router {
    let page = Arc::new(page);
    Router::new()
        .route("/metrics", get(async move || scraped(page).await))
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(async move || ready(shared)))
}

/// Whether a front may ask this server.
pub(crate) fn is_ready(shared: &Shared) -> bool {
    ready(shared).0 == StatusCode::OK
}

/// Counts files and sums up what has changed, which may take some milliseconds: not where the followers' turns are.
async fn scraped(page: Arc<Page>) -> Response {
    match tokio::task::spawn_blocking(move || page.text()).await {
        Ok(Ok(text)) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be worked out\n").into_response(),
    }
}

/// A release that nobody may see yet is no reason to be left out: at the hour it may be everybody.
fn ready(shared: &Shared) -> (StatusCode, Cow<'static, str>) {
    const NOT: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    if shared.is_draining() {
        return (NOT, "stopping\n".into());
    }
    let serving = shared.serving();
    match serving.able().and_then(|_| serving.ready()) {
        Ok(_) => (StatusCode::OK, "ready\n".into()),
        Err(NotReady::Embargoed(until)) => {
            (StatusCode::OK, format!("ready; the release is loaded and hidden until {until}\n").into())
        }
        Err(NotReady::NoRelease) => (NOT, "no release is loaded\n".into()),
        Err(NotReady::NoKnowledge) => (NOT, "the database has not been heard from yet\n".into()),
        Err(NotReady::OtherDataSet) => (NOT, "the database holds another data set than the release\n".into()),
    }
}
