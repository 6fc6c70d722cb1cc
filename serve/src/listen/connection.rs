use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{HeaderValue, header::CONNECTION};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};

use super::worker::{Serve, until};
use crate::serving::Shared;

/// How long a client may take for the head of a request, waiting between two requests included: longer than
/// the 60 s for which NGINX keeps an idle connection, so that it is never the server who closes first.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// Serves one connection until the client closes it, or until `closing` says that idle ones must end.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: impl Serve,
    shared: Arc<Shared>,
    mut closing: watch::Receiver<bool>,
) {
    let answer = service_fn(move |request| {
        let answer = service.clone().call(request);
        let shared = shared.clone();
        async move {
            let mut response = answer.await?;
            if shared.is_draining() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = until(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
