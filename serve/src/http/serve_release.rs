use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use arc_swap::Guard;
use bytes::Bytes;
use futures::future::{self, Either, MapOk, Ready};
use http::{Method, Request, Response};
use http_body_util::Full;
use tower::Service;

use super::{Body, answer, target::Target};
use crate::serving::{Serving, Shared, Verdict};

/// Serves the current release, in the shape of tower-http's `ServeDir`: it answers what it holds, and its
/// fallback takes the rest.
///
/// A hit is answered at once, without a task, a lock or a copy. The fallback finds what this request saw in
/// an extension, an `Arc<Serving>`, so that one request sees one release from its beginning to its end.
#[derive(Debug, Clone)]
pub(crate) struct ServeRelease<F> {
    shared: &'static Shared,
    fallback: F,
}

impl ServeRelease<()> {
    pub(crate) fn new(shared: &'static Shared) -> Self {
        Self { shared, fallback: () }
    }

    /// What answers for everything that the release does not hold.
    pub(crate) fn fallback<F>(self, fallback: F) -> ServeRelease<F> {
        ServeRelease { shared: self.shared, fallback }
    }
}

type Answered = Ready<Result<Response<Body>, Infallible>>;
type Passed<F> = MapOk<F, fn(Response<axum::body::Body>) -> Response<Body>>;

impl<F, B> Service<Request<B>> for ServeRelease<F>
where
    F: Service<Request<B>, Response = Response<axum::body::Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<Answered, Passed<F::Future>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.fallback.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let serving = self.shared.serving();
        if let Some(response) = published(&serving, &request) {
            return Either::Left(future::ok(response.map(http_body_util::Either::Left)));
        }
        request.extensions_mut().insert(Guard::into_inner(serving));
        let pass: fn(_) -> _ = |response: Response<_>| response.map(http_body_util::Either::Right);
        Either::Right(future::TryFutureExt::map_ok(self.fallback.call(request), pass))
    }
}

fn published<B>(serving: &Serving, request: &Request<B>) -> Option<Response<Full<Bytes>>> {
    let method = request.method();
    if method != Method::GET && method != Method::HEAD {
        return None;
    }
    let Some(Ok(Target::Published(id))) = Target::parse(request.uri().path()) else { return None };
    let Verdict::Published(found) = serving.verdict(id) else { return None };
    // A damaged frame is the fallback's business, too.
    answer::published(method, request.headers(), found).ok()
}
