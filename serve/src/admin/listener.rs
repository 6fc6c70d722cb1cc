use std::{convert::Infallible, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, time::sleep};

/// A connection on which no whole request arrives for so long is closed: descriptors are the students'.
pub(crate) const PATIENCE: Duration = Duration::from_secs(75);

/// The pause after a failed `accept`, mostly for too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Serves these routes on this listener, for ever.
pub(crate) async fn serve(listener: TcpListener, routes: Router, patience: Duration) -> Infallible {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The listener for students tells of it.
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let service = TowerToHyperService::new(routes.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the second listener broke");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        time::timeout,
    };

    use super::*;

    #[tokio::test]
    async fn a_connection_that_asks_nothing_is_closed_and_the_others_are_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().route("/healthz", get(async || "alive\n"));
        tokio::spawn(serve(listener, routes, Duration::from_millis(200)));
        for begun in ["", "GET /healthz HT", "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(begun.as_bytes()).await.unwrap();
            let mut answer = String::new();
            let ended = timeout(Duration::from_secs(20), stream.read_to_string(&mut answer)).await;
            ended.expect("it was not closed").unwrap();
            assert_eq!(answer.ends_with("alive\n"), begun.ends_with("\r\n\r\n"), "{begun}: {answer}");
        }
    }
}
