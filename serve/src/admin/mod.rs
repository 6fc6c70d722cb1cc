//! The second listener, for those who run the server: is it alive, is it ready, and what is it doing.

mod health;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod heap;
mod profile;
mod seconds;
mod tasks;

use axum::{Router, routing::get};

use crate::serving::Shared;
pub(crate) use tasks::Runtimes;

/// `/healthz` and `/readyz`, and what is below `/debug/`.
pub(crate) fn routes(shared: &'static Shared, runtimes: Runtimes) -> Router {
    let routes = Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(async move || health::ready(shared)))
        .route("/debug/pprof/profile", get(profile::profile))
        .route("/debug/tasks", get(tasks::tasks).with_state(runtimes.into()));
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    let routes = routes.route("/debug/heap", get(heap::heap));
    routes
}
