use std::{convert::Infallible, io, thread, time::Duration};

use futures::{FutureExt, future};
use http::{Request, Response};
use hyper::body::Incoming;
use results_day::log::Budget;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    runtime::{self, Handle},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tower::Service;

use super::{ListenAddress, Sockets, connection, socket};
use crate::{
    http::Body,
    metrics::{Tally, Traffic},
    serving::Shared,
};

/// The threads that serve.
pub(crate) struct Workers {
    threads: Vec<thread::JoinHandle<io::Result<()>>>,
    runtimes: Vec<Handle>,
    addresses: Vec<ListenAddress>,
    shared: &'static Shared,
    draining: watch::Sender<bool>,
}

/// How long a connection may stay idle while draining. A request that was on its way when the drain began is
/// answered; a client that says nothing for so long has nothing on the way.
const IDLE_GRACE: Duration = Duration::from_secs(1);

/// How long an answer may take after that: longer than the live path's patience.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// The pause after a failed `accept`, mostly for too many open files: time for connections to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What a connection is served with, on any of the workers.
pub(crate) trait Serve:
    Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Serve for S where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

impl Workers {
    /// Starts a thread for each set of sockets, which counts what it answers.
    pub(crate) fn start(
        sockets: Vec<Sockets>,
        addresses: Vec<ListenAddress>,
        shared: &'static Shared,
        traffic: &'static Traffic,
        service: &impl Serve,
    ) -> io::Result<Self> {
        let (draining, _) = watch::channel(false);
        let (mut threads, mut runtimes) = (Vec::new(), Vec::new());
        for (number, (sockets, tally)) in sockets.into_iter().zip(traffic.tallies()).enumerate() {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            runtimes.push(runtime.handle().clone());
            let (service, draining) = (service.clone(), draining.subscribe());
            let work = move || runtime.block_on(worker(sockets, service, shared, tally, draining));
            threads.push(thread::Builder::new().name(worker_name(number)).spawn(work)?);
        }
        Ok(Self { threads, runtimes, addresses, shared, draining })
    }

    /// The threads' runtimes.
    pub(crate) fn runtimes(&self) -> &[Handle] {
        &self.runtimes
    }

    /// Takes no new connections, answers what is on its way, and returns when that is done.
    pub(crate) fn stop(self) {
        self.shared.drain();
        self.draining.send_replace(true);
        socket::remove(&self.addresses);
        for thread in self.threads {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a worker failed"),
                Err(_) => tracing::error!("a worker panicked; this is a bug"),
            }
        }
    }
}

pub(crate) fn worker_name(number: usize) -> String {
    format!("serve-{number}")
}

async fn worker(
    sockets: Sockets,
    service: impl Serve,
    shared: &'static Shared,
    tally: &'static Tally,
    draining: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut listening = Vec::new();
    for listener in sockets.tcp {
        let listener = TcpListener::from_std(listener)?;
        let accept = async move || {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        listening.push(listen(accept, service.clone(), shared, tally, draining.clone()).boxed_local());
    }
    for listener in sockets.unix {
        let listener = UnixListener::from_std(listener)?;
        let accept = async move || listener.accept().await.map(|(stream, _)| stream);
        listening.push(listen(accept, service.clone(), shared, tally, draining.clone()).boxed_local());
    }
    future::join_all(listening).await;
    Ok(())
}

/// Serves one listener's connections until it is told to drain, and the last of them has ended.
async fn listen<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    accept: impl AsyncFn() -> io::Result<T>,
    service: impl Serve,
    shared: &'static Shared,
    tally: &'static Tally,
    mut draining: watch::Receiver<bool>,
) {
    let (closing, closed) = watch::channel(false);
    let refusals = Budget::of(1);
    let mut connections = JoinSet::new();
    let serve = |stream| connection::serve(stream, service.clone(), shared, tally, closed.clone());
    loop {
        tokio::select! {
            accepted = accept() => match accepted {
                Ok(stream) => drop(connections.spawn(serve(stream))),
                Err(error) => {
                    if let Some(unsaid) = refusals.admits() {
                        tracing::warn!(%error, unsaid, "a connection was not accepted");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = until(&mut draining) => break,
        }
    }
    // Closing the socket would cut those whom the kernel has accepted already.
    while let Some(Ok(stream)) = accept().now_or_never() {
        connections.spawn(serve(stream));
    }
    drop(accept);
    if timeout(IDLE_GRACE, all_ended(&mut connections)).await.is_err() {
        closing.send_replace(true);
        if timeout(LAST_ANSWER, all_ended(&mut connections)).await.is_err() {
            tracing::warn!(connections = connections.len(), "connections were cut");
        }
    }
}

async fn all_ended(connections: &mut JoinSet<()>) {
    while connections.join_next().await.is_some() {}
}

/// Waits until `signal` is given, or will never be.
pub(super) async fn until(signal: &mut watch::Receiver<bool>) {
    let _given = signal.wait_for(|given| *given).await;
}
