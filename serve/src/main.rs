//! `serve` answers look-ups from the current release, and live for what changed since.

mod admin;
mod arguments;
mod embargo;
mod follow;
mod http;
mod listen;
mod live;
mod metrics;
mod release_cache;
mod serving;

use std::{io, process::ExitCode, sync::Arc, thread, time::Duration};

use anyhow::Context;
use clap::Parser;
use results_day::{cache, private, source};
use tokio::{
    net::TcpListener,
    runtime,
    signal::unix::{SignalKind, signal},
};

use arguments::Arguments;
use embargo::{Gate, Keeper, Remembered};
use follow::{ChangeFollower, ReleaseFollower};
use http::{ServeRelease, routes};
use listen::{Sockets, Workers};
use live::Live;
use metrics::{Runtimes, Traffic};
use release_cache::CacheDirectory;
use serving::{Knowledge, Serving, Shared};

/// How long calls in the background, to the database above all, may take to end when the server stops.
const LAST_CALLS: Duration = Duration::from_secs(1);

/// Sent to whoever writes more to a file than is allowed, and by default the end of it; whoever catches it gets an error
/// like that of a full disk. The number is Linux's on most processors.
const SIGXFSZ: i32 = 25;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    arguments.log_format.start("info");
    private::leave_no_core();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            arguments.log_format.failed("serve", &error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (bucket, database) = arguments.bucket_and_database()?;
    let store = bucket.open()?;

    // Everything but the serving itself lives on this runtime: connections belong to the one that made them.
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // Twice what a release that is read or mended takes: a disk that hangs must not stop look-ups.
        .max_blocking_threads(16)
        .thread_name("background")
        .enable_all()
        .build()?;
    let _too_large = runtime.block_on(async { signal(SignalKind::from_raw(SIGXFSZ)) })?;
    let directory = Arc::new(CacheDirectory::open(&arguments.cache_dir)?);
    let remembered = Arc::new(Remembered::read(directory.clone()));
    let (source, cache) = {
        let _its_own = runtime.enter();
        (database.as_deref().map(source::connect).transpose()?, cache::connect(&arguments.cache)?)
    };
    let knowledge = if source.is_some() { Knowledge::Nothing } else { Knowledge::Static };
    let shared = Shared::for_the_whole_program(Serving { release: None, gate: Gate::Open, knowledge });
    let admin = runtime
        .block_on(TcpListener::bind(arguments.admin))
        .with_context(|| format!("listening on {}", arguments.admin))?;
    let admin_address = admin.local_addr()?;
    let stop = runtime.block_on(async { stop_signal() })?;

    let mut changes = source.clone().map(|source| ChangeFollower::new(source, shared, directory.clone()));
    let releases = ReleaseFollower::new(store, directory, shared, remembered.clone());
    // Nobody is let in before this server knows what an earlier one did not live to hear: a front that is refused asks
    // another server.
    let mut stop = Box::pin(stop);
    let prepared = async {
        releases.first().await;
        if let Some(changes) = &mut changes {
            changes.first().await;
        }
    };
    let stopped = async {
        tokio::select! { () = prepared => false, () = &mut stop => true }
    };
    if runtime.block_on(stopped) {
        return Ok(());
    }
    let workers = thread::available_parallelism()?.get();
    let (sockets, addresses) = Sockets::bind(&arguments.listen, workers)?;
    Keeper::new(shared, remembered).start()?;
    runtime.spawn(releases.run());
    if let Some(changes) = changes {
        runtime.spawn(changes.run());
    }
    let live = source.clone().map(|source| Live::new(source, cache, runtime.handle().clone()));
    let service = ServeRelease::new(shared).fallback(routes(shared, live.clone()));
    for address in &addresses {
        tracing::info!(%address, "listening");
    }
    tracing::info!(address = %admin_address, "listening for health and readiness");
    let traffic = Traffic::for_the_whole_program(workers);
    let workers = Workers::start(sockets, addresses, shared, traffic, &service)?;
    let runtimes = Runtimes { serve: workers.runtimes().to_vec(), background: runtime.handle().clone() };
    let runtimes = Arc::new(runtimes);
    let page = metrics::page(shared, traffic, source, live, runtimes.clone());
    runtime.spawn(admin::serve(admin, admin::routes(shared, runtimes, page), admin::PATIENCE));

    runtime.block_on(stop);
    tracing::info!("draining");
    workers.stop();
    // A call that waits for a locked database or a dead disk cannot be interrupted. Nothing depends on its end:
    // what is written down outlives the death of this process at any instant.
    runtime.shutdown_timeout(LAST_CALLS);
    tracing::info!("stopped");
    Ok(())
}

/// Waits for SIGTERM or SIGINT, both of which are caught from now on.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
