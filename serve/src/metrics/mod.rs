//! What `/metrics` on the second listener tells. `docs/METRICS.md` lists every family.
//!
//! What happens at every request is counted where it happens, without a lock: `traffic` has a set of counters for each
//! worker, of which `requests` is what an answer counts as, and `live` those of the live path. What *is* is not counted:
//! `state` looks at it when somebody asks, and `runtimes` at the runtimes. `counters` and `histogram` are what the
//! counting is made of.
//!
//! A new metric goes where its kind is. No label has values that grow with what is asked for.

mod counters;
mod histogram;
mod live;
mod requests;
mod runtimes;
mod state;
mod traffic;

use std::sync::Arc;

use results_day::{metrics::Page, source::Source};

use crate::{live::Live, serving::Shared};

pub(crate) use live::{CacheResult, LookUpResult, LookUps};
pub(crate) use runtimes::Runtimes;
pub(crate) use traffic::{Tally, Traffic};

/// The page, of a server that has these parts.
pub(crate) fn page(
    shared: &'static Shared,
    traffic: &'static Traffic,
    source: Option<Arc<dyn Source>>,
    live: Option<Live>,
    runtimes: Arc<Runtimes>,
) -> Page {
    let page = Page::default()
        .with(move |families| state::tell_of_the_server(shared, families))
        .with(move |families| traffic.tell(families))
        .with(move |families| state::tell_of_the_release(shared, families))
        .with(move |families| state::tell_of_the_store(shared, families));
    let page = match (source, live) {
        (Some(source), Some(live)) => page
            .with(move |families| state::tell_of_the_database(shared, source.connections(), families))
            .with(move |families| live.counts().tell(live.in_flight(), families)),
        // A server without a database has nothing to tell of one: no alert should wait for it.
        _ => page,
    };
    page.with(move |families| runtimes.tell(families)).with_process()
}
