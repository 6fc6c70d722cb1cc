use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use results_day::metrics::{self, Page};
use tokio::net::TcpListener;

use super::Record;

/// Tells at this address how a watcher goes, for as long as the program lives.
pub async fn serve(address: SocketAddr, record: &Arc<Record>) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
    tracing::info!(address = %listener.local_addr()?, "listening for metrics");
    let (page, watched) = (Arc::new(record.page()), record.clone());
    let routes = Router::new()
        .route("/metrics", get(async move || tell(&page)))
        .route("/healthz", get(async move || alive(&watched)));
    tokio::spawn(axum::serve(listener, routes).into_future());
    Ok(())
}

fn alive(record: &Record) -> (StatusCode, &'static str) {
    match record.status.hangs() {
        false => (StatusCode::OK, "alive\n"),
        true => (StatusCode::SERVICE_UNAVAILABLE, "nothing has moved for a quarter of an hour\n"),
    }
}

fn tell(page: &Page) -> Response {
    match page.text() {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be worked out\n").into_response()
        }
    }
}
