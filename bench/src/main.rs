//! The floor: a bare hyper server that answers every request with one answer from memory.
//!
//! `bench ADDRESS ANSWER` reads the answer's head and body from a file as a client got them (`curl -i`), and
//! serves it with one current-thread runtime per core, as `serve` does. What `serve` costs beyond this is
//! what it does for a request; the rest is HTTP, the kernel and the machine.

use std::{convert::Infallible, env, error::Error, fs, net::SocketAddr, thread};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header::DATE};
use http_body_util::Full;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = env::args().skip(1);
    let (Some(address), Some(answer)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bench ADDRESS ANSWER".into());
    };
    let address: SocketAddr = address.parse()?;
    let answer = parse(&fs::read(answer)?)?;
    let threads: Vec<_> = (0..thread::available_parallelism()?.get())
        .map(|_| {
            let answer = answer.clone();
            thread::spawn(move || serve(address, answer))
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| "a thread panicked")??;
    }
    Ok(())
}

/// Splits what `curl -i` wrote. hyper writes the date itself.
fn parse(answer: &[u8]) -> Result<(HeaderMap, Bytes), Failure> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or("the answer has no head")?;
    let mut headers = HeaderMap::new();
    for line in std::str::from_utf8(&answer[..end])?.split("\r\n").skip(1) {
        let (name, value) = line.split_once(": ").ok_or("a header without a value")?;
        headers.insert(HeaderName::try_from(name)?, HeaderValue::from_str(value)?);
    }
    headers.remove(DATE);
    Ok((headers, Bytes::copy_from_slice(&answer[end + 4..])))
}

fn serve(address: SocketAddr, (headers, body): (HeaderMap, Bytes)) -> Result<(), Failure> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(socket.into())?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (headers, body) = (headers.clone(), body.clone());
            let answer = service_fn(move |_| {
                let mut response = Response::new(Full::new(body.clone()));
                *response.headers_mut() = headers.clone();
                async { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(
                http1::Builder::new().pipeline_flush(true).serve_connection(TokioIo::new(stream), answer),
            );
        }
    })
}
