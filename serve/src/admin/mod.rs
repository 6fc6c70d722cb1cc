//! The second listener, for those who run the server: is it alive, is it ready, and what is it doing.

mod health;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod heap;
mod listener;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod profile;
mod scrape;
mod seconds;
mod tasks;

use std::sync::Arc;

use axum::{Router, routing::get};
use results_day::metrics::Page;

use crate::{metrics::Runtimes, serving::Shared};
pub(crate) use health::is_ready;
pub(crate) use listener::{PATIENCE, serve};

/// `/healthz`, `/readyz` and `/metrics`, and what is below `/debug/`.
pub(crate) fn routes(shared: &'static Shared, runtimes: Arc<Runtimes>, page: Page) -> Router {
    let routes = Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(async move || health::ready(shared)))
        .route("/metrics", get(scrape::scrape).with_state(Arc::new(page)))
        .route("/debug/tasks", get(tasks::tasks).with_state(runtimes));
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    let routes =
        routes.route("/debug/heap", get(heap::heap)).route("/debug/pprof/profile", get(profile::profile));
    routes
}
