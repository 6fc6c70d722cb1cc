use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use http::{StatusCode, Uri};
use serde::Serialize;
use tokio::runtime::{Handle, RuntimeMetrics};

use super::seconds::seconds;
use crate::metrics::Runtimes;

/// How long the workers are watched, if nobody says how long.
const A_WHILE: Duration = Duration::from_secs(1);

/// What one of tokio's runtimes is doing.
#[derive(Serialize)]
pub(super) struct RuntimeStatus {
    runtime: String,
    /// Tasks that have not ended. Of the runtimes that serve: one for each connection.
    alive_tasks: usize,
    /// Tasks that are ready and wait for any worker.
    waiting_tasks: usize,
    /// For each worker, which part of the time it was at work: 0.0 to 1.0.
    busy: Vec<f64>,
}

/// `/debug/tasks?seconds=N`: watches the runtimes for so long, and tells of each.
pub(super) async fn tasks(
    State(runtimes): State<Arc<Runtimes>>,
    uri: Uri,
) -> Result<Json<Vec<RuntimeStatus>>, (StatusCode, String)> {
    let watched = seconds(&uri, A_WHILE).map_err(|error| (StatusCode::BAD_REQUEST, error))?;
    let before: Vec<_> = runtimes.named().map(|(_, runtime)| busy(&runtime.metrics())).collect();
    let begun = tokio::time::Instant::now();
    tokio::time::sleep(watched).await;
    let passed = begun.elapsed().as_secs_f64();
    let status = |((name, runtime), before): ((String, &Handle), Vec<Duration>)| {
        let metrics = runtime.metrics();
        let worked = busy(&metrics).into_iter().zip(before);
        RuntimeStatus {
            runtime: name,
            alive_tasks: metrics.num_alive_tasks(),
            waiting_tasks: metrics.global_queue_depth(),
            // What a worker did before is told at its next rest, so it may be more than the time that has passed.
            busy: worked
                .map(|(now, before)| (now.saturating_sub(before).as_secs_f64() / passed).min(1.0))
                .collect(),
        }
    };
    Ok(Json(runtimes.named().zip(before).map(status).collect()))
}

/// How long each worker has been at work since the start.
fn busy(metrics: &RuntimeMetrics) -> Vec<Duration> {
    (0..metrics.num_workers()).map(|worker| metrics.worker_total_busy_duration(worker)).collect()
}
