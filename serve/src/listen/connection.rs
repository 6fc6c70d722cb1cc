use std::{
    cell::RefCell,
    convert::Infallible,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http::{HeaderValue, Request, header::CONNECTION};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::{Instant, interval_at},
};

use super::worker::{Serve, until};
use crate::{metrics::Tally, serving::Shared};

/// A connection on which no request arrives for so long, or for up to twice as long, is closed: because it is
/// idle, or because its client sends or reads too slowly. Longer than the 60 s for which NGINX keeps an idle
/// connection, so that it is never the server who closes first.
///
/// One timer for each connection that nobody resets: hyper's own, reset at every request, costs as much as
/// finding the student.
const PATIENCE: Duration = Duration::from_secs(75);

/// Serves one connection until the client closes it, or until `closing` says that idle ones must end.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: impl Serve,
    shared: &'static Shared,
    tally: &'static Tally,
    mut closing: watch::Receiver<bool>,
) {
    let _connected = tally.connected();
    let requests = &AtomicU64::new(0);
    // Cloning the service for each request would be the dearest part of a hit.
    let service = RefCell::new(service);
    let answer = service_fn(move |request: Request<Incoming>| {
        requests.fetch_add(1, Ordering::Relaxed);
        let asked = Tally::asked(request.uri().path());
        let answer = service.borrow_mut().call(request);
        async move {
            let mut response = answer.await?;
            // Whoever made it, it passes here.
            tally.answered(asked, &response);
            if shared.is_draining() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    // One write for head and body. Not `pipeline_flush`, which does the same and loses the 400 to a request
    // that is no HTTP: hyper then waits with it for the next request.
    let connection = http1::Builder::new().writev(false).serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    let mut patience = interval_at(Instant::now() + PATIENCE, PATIENCE);
    let mut asked_to_close = false;
    let mut before = 0;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            () = until(&mut closing), if !asked_to_close => {
                asked_to_close = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = patience.tick() => {
                let now = requests.load(Ordering::Relaxed);
                if now == before {
                    return;
                }
                before = now;
            }
        }
    }
}
