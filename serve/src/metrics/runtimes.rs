use std::fmt;

use results_day::metrics::Families;
use tokio::runtime::{Handle, RuntimeMetrics};

/// The runtimes of this program: one for each worker, told of together, and one for everything else.
#[derive(Debug)]
pub(crate) struct Runtimes {
    pub(crate) serve: Vec<Handle>,
    pub(crate) background: Handle,
}

impl Runtimes {
    pub(super) fn tell(&self, families: &mut Families<'_>) -> fmt::Result {
        let background = std::slice::from_ref(&self.background);
        let sums = |of: fn(&RuntimeMetrics) -> usize| {
            [("serve", self.serve.as_slice()), ("background", background)].map(|(name, runtimes)| {
                ([("runtime", name)], runtimes.iter().map(|runtime| of(&runtime.metrics())).sum::<usize>())
            })
        };
        families.gauge("tokio_workers", "Threads that run tasks.", sums(RuntimeMetrics::num_workers))?;
        families.gauge(
            "tokio_alive_tasks",
            "Tasks that have not ended; a connection is one.",
            sums(RuntimeMetrics::num_alive_tasks),
        )?;
        families.gauge(
            "tokio_global_queue_depth",
            "Tasks that wait for a thread and belong to none yet.",
            sums(RuntimeMetrics::global_queue_depth),
        )
    }
}
