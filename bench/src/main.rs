//! The floor: a bare hyper server that answers the same bytes from memory.
//!
//! `bench ADDRESS BUCKET ANSWER` holds every frame of the bucket's current release in an array, and answers
//! `/student/<id>.json` with the frame of that id under the head of ANSWER, a file with what a client got from
//! `serve` (`curl -i`), with one current-thread runtime per core as `serve` has. It does nothing else: it
//! negotiates nothing, makes no entity tag, and knows of no change. What `serve` costs beyond this is what it
//! does for a request; the rest is HTTP, the kernel and cold memory.

use std::{convert::Infallible, env, error::Error, fs, net::SocketAddr, sync::Arc, thread};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response,
    header::{CONTENT_LENGTH, DATE},
};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use results_day::release::{Bucket, ReleaseError, ReleaseNumber};
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;

type Failure = Box<dyn Error + Send + Sync>;

/// The frame of each id; empty where there is no such student.
type Frames = Arc<[Bytes]>;

fn main() -> Result<(), Failure> {
    let mut arguments = env::args().skip(1);
    let (Some(address), Some(bucket), Some(answer)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: bench ADDRESS BUCKET ANSWER".into());
    };
    let address: SocketAddr = address.parse()?;
    let head = head(&fs::read(answer)?)?;
    let frames: Frames = frames(&bucket.parse()?)?.into();
    let threads: Vec<_> = (0..thread::available_parallelism()?.get())
        .map(|_| {
            let (head, frames) = (head.clone(), frames.clone());
            thread::spawn(move || serve(address, &head, &frames))
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| "a thread panicked")??;
    }
    Ok(())
}

/// The headers that `curl -i` wrote, without those that hyper makes for each answer.
fn head(answer: &[u8]) -> Result<HeaderMap, Failure> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or("the answer has no head")?;
    let mut headers = HeaderMap::new();
    for line in std::str::from_utf8(&answer[..end])?.split("\r\n").skip(1) {
        let (name, value) = line.split_once(": ").ok_or("a header without a value")?;
        headers.insert(HeaderName::try_from(name)?, HeaderValue::from_str(value)?);
    }
    headers.remove(DATE);
    headers.remove(CONTENT_LENGTH);
    Ok(headers)
}

/// Every frame of the current release, by id. Blobs are kept whole, as `serve` keeps them.
#[tokio::main]
async fn frames(bucket: &Bucket) -> Result<Vec<Bytes>, Failure> {
    let store = bucket.open()?;
    let manifest = store.current().await?.ok_or(ReleaseError::Absent(ReleaseNumber::FIRST))?;
    let mut frames = vec![Bytes::new(); manifest.last_id.get() as usize + 1];
    for entry in &manifest.shards {
        for frame in entry.open(store.shard_bytes(entry).await?)?.frames() {
            let (id, frame) = frame?;
            frames[id.get() as usize] = frame.bytes;
        }
    }
    Ok(frames)
}

fn serve(address: SocketAddr, head: &HeaderMap, frames: &Frames) -> Result<(), Failure> {
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
            let (head, frames) = (head.clone(), frames.clone());
            let answer = service_fn(move |request: Request<Incoming>| {
                let mut response = Response::new(Full::new(frame(&frames, request.uri().path())));
                *response.headers_mut() = head.clone();
                async { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(http1::Builder::new().writev(false).serve_connection(TokioIo::new(stream), answer));
        }
    })
}

fn frame(frames: &Frames, path: &str) -> Bytes {
    let id = path.strip_prefix("/student/").and_then(|name| name.strip_suffix(".json"));
    let id: Option<usize> = id.and_then(|id| id.parse().ok());
    id.and_then(|id| frames.get(id)).cloned().unwrap_or_default()
}
