use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::CONTENT_TYPE};
use results_day::metrics::{self, Page};

/// `/metrics`. Counts files and sums up what has changed, which may take some milliseconds: not where the followers'
/// turns are.
pub(super) async fn scrape(State(page): State<Arc<Page>>) -> Response {
    match tokio::task::spawn_blocking(move || page.text()).await {
        Ok(Ok(text)) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be worked out\n").into_response(),
    }
}
