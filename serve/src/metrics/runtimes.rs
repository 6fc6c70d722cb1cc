use std::fmt;

use results_day::metrics::Families;
use tokio::runtime::{Handle, RuntimeMetrics};

use crate::listen::worker_name;

/// The runtimes of this program: one for each worker, told of together, and one for everything else.
#[derive(Debug)]
pub(crate) struct Runtimes {
    pub(crate) serve: Vec<Handle>,
    pub(crate) background: Handle,
}

impl Runtimes {
    /// Each with its own name, which its threads have as well.
    pub(crate) fn named(&self) -> impl Iterator<Item = (String, &Handle)> {
        let serve = self.serve.iter().enumerate().map(|(number, runtime)| (worker_name(number), runtime));
        std::iter::once(("background".to_owned(), &self.background)).chain(serve)
    }

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
