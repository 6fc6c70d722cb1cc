use std::cell::RefCell;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
        VARY, X_CONTENT_TYPE_OPTIONS,
    },
};
use http_body_util::{Either, Full};
use libdeflater::{CompressionLvl, Compressor};
use results_day::shard::{self, Found, Frame, FrameError};

use super::{cache_policy::CachePolicy, coding::Coding, etag::ETag, problem::Problem};

/// The body of an answer: bytes that are at hand, or whatever a route behind makes.
pub(crate) type Body = Either<Full<Bytes>, axum::body::Body>;

/// `Cache-Status` (RFC 9211): which cache of ours answered, and why it asked further where it did.
pub(crate) const CACHE_STATUS: http::HeaderName = http::HeaderName::from_static("cache-status");

/// Answers GET or HEAD with a published document.
pub(crate) fn published(
    method: &Method,
    request: &HeaderMap,
    found: Found<'_>,
) -> Result<Response<Full<Bytes>>, Problem> {
    let hit = HeaderValue::from_static("results-day;hit");
    document(method, request, found.hash(), CachePolicy::Published, hit, || {
        found.check().map_err(|_| Problem::Damaged)
    })
}

/// Answers GET or HEAD with a student's document, whose frame is looked at last and only where it is needed.
pub(crate) fn document(
    method: &Method,
    request: &HeaderMap,
    hash: u64,
    policy: CachePolicy,
    cache_status: HeaderValue,
    frame: impl FnOnce() -> Result<Frame, Problem>,
) -> Result<Response<Full<Bytes>>, Problem> {
    let Some(coding) = Coding::negotiate(request) else {
        return Ok(Problem::NotAcceptable.response());
    };
    let tag = ETag::new(hash, coding);
    let mut headers = HeaderMap::with_capacity(10);
    headers.insert(CACHE_CONTROL, policy.header());
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(CACHE_STATUS, cache_status);
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if let Some(tag) = tag.header() {
        headers.insert(ETAG, tag);
    }
    if tag.is_named_by(request) {
        return Ok(response(StatusCode::NOT_MODIFIED, headers, Bytes::new()));
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(coding) = coding.header() {
        headers.insert(CONTENT_ENCODING, coding);
    }
    let body = code(frame()?, coding).map_err(|_| Problem::Damaged)?;
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let body = if method == Method::HEAD { Bytes::new() } else { body };
    Ok(response(StatusCode::OK, headers, body))
}

fn response(status: StatusCode, headers: HeaderMap, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn code(frame: Frame, coding: Coding) -> Result<Bytes, FrameError> {
    match coding {
        Coding::Zstd => Ok(frame.bytes),
        Coding::Gzip => Ok(gzip(&shard::decompress(&frame.bytes)?)),
        Coding::Identity => Ok(shard::decompress(&frame.bytes)?.into()),
    }
}

/// Level 1: on documents of 300 bytes level 6 saves nothing and takes a third longer.
const GZIP_LEVEL: CompressionLvl = match CompressionLvl::new(1) {
    Ok(level) => level,
    Err(_) => panic!("libdeflate has a level 1"),
};

fn gzip(document: &[u8]) -> Bytes {
    thread_local! {
        static COMPRESSOR: RefCell<Compressor> = RefCell::new(Compressor::new(GZIP_LEVEL));
    }
    COMPRESSOR.with_borrow_mut(|compressor| {
        let mut coded = vec![0; compressor.gzip_compress_bound(document.len())];
        #[expect(clippy::expect_used, reason = "the buffer has the bound's length, so it always suffices")]
        let length = compressor.gzip_compress(document, &mut coded).expect("the bound suffices");
        coded.truncate(length);
        coded.into()
    })
}
