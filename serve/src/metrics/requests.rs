//! What an answer counts as: four labels, each of a few values, and so a fixed number of counters.

use http::{HeaderMap, Response, StatusCode, header::CONTENT_ENCODING};
use results_day::metrics::Label;

use crate::http::CACHE_STATUS;

/// How many kinds of answers there are.
pub(super) const KINDS: usize = ROUTES.len() * CLASSES.len() * CODINGS.len() * ORIGINS.len();

const ROUTES: [&str; 4] = ["student", "live", "release", "other"];
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];
const CODINGS: [&str; 4] = ["none", "zstd", "gzip", "identity"];
pub(super) const ORIGINS: [&str; 4] = ["none", "static", "cache", "database"];

/// The place of `none`, among the codings and among the origins.
const NONE: usize = 0;

/// Which of the routes a path is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route(usize);

/// One kind of answers, by its places among the values of each label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    route: usize,
    class: usize,
    coding: usize,
    pub(super) origin: usize,
}

impl Route {
    pub(super) fn of(path: &str) -> Self {
        Self(match path.strip_prefix("/student/") {
            Some(name) if name.ends_with(".json") => 0,
            Some(_) => 1,
            None if path == "/release.json" => 2,
            None => 3,
        })
    }
}

impl Kind {
    /// What an answer counts as. Where it came from is what `Cache-Status` says, which every document has and nothing
    /// else; and only a document that is sent has a coding.
    pub(super) fn of<B>(Route(route): Route, response: &Response<B>) -> Self {
        let status = response.status();
        let class = usize::from(status.as_u16() / 100).saturating_sub(2).min(CLASSES.len() - 1);
        let origin = origin(response.headers());
        let coding = match origin {
            NONE => NONE,
            _ if status == StatusCode::NOT_MODIFIED => NONE,
            _ => match response.headers().get(CONTENT_ENCODING).map(|coding| coding.as_bytes()) {
                Some(b"zstd") => 1,
                Some(_) => 2,
                None => 3,
            },
        };
        Self { route, class, coding, origin }
    }

    /// Every kind, in the order of [`place`](Self::place).
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..KINDS).map(|place| Self {
            route: place / (CLASSES.len() * CODINGS.len() * ORIGINS.len()),
            class: place / (CODINGS.len() * ORIGINS.len()) % CLASSES.len(),
            coding: place / ORIGINS.len() % CODINGS.len(),
            origin: place % ORIGINS.len(),
        })
    }

    /// Its number.
    pub(super) fn place(self) -> usize {
        ((self.route * CLASSES.len() + self.class) * CODINGS.len() + self.coding) * ORIGINS.len()
            + self.origin
    }

    /// Whether this server ever answers so. What it does not is told of only where it did.
    pub(super) fn is_usual(self) -> bool {
        let Self { route, class, coding, origin } = self;
        // Of the routes the first has all origins, and the second all but the release itself.
        let has_documents = route == 0 || (route == 1 && origin != 1);
        match (class, coding, origin) {
            (0 | 2 | 3, NONE, NONE) => true,
            (_, _, NONE) => false,
            (0, NONE, _) => false,
            (0, _, _) | (1, NONE, _) => has_documents,
            _ => false,
        }
    }

    pub(super) fn labels(self) -> [Label<'static>; 4] {
        [
            ("route", ROUTES[self.route]),
            ("status", CLASSES[self.class]),
            ("encoding", CODINGS[self.coding]),
            ("origin", ORIGINS[self.origin]),
        ]
    }
}

fn origin(headers: &HeaderMap) -> usize {
    match headers.get(CACHE_STATUS).map(|said| said.as_bytes()) {
        Some(said) if said.ends_with(b";hit") => 1,
        Some(said) if said.ends_with(b";detail=cache") => 2,
        Some(said) if said.ends_with(b";detail=database") => 3,
        _ => NONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(path: &str, status: u16, cache_status: &str, coding: &str) -> Kind {
        let mut response = Response::builder().status(status);
        for (name, value) in [("cache-status", cache_status), ("content-encoding", coding)] {
            if !value.is_empty() {
                response = response.header(name, value);
            }
        }
        Kind::of(Route::of(path), &response.body(()).unwrap())
    }

    #[test]
    fn an_answer_counts_by_its_path_its_status_and_its_headers() {
        let (hit, cache) = ("results-day;hit", "results-day;fwd=stale;detail=cache");
        for (path, status, cache_status, coding, labels) in [
            ("/student/7.json", 200, hit, "zstd", ["student", "2xx", "zstd", "static"]),
            ("/student/7.json", 200, hit, "gzip", ["student", "2xx", "gzip", "static"]),
            ("/student/7.json", 200, hit, "", ["student", "2xx", "identity", "static"]),
            ("/student/7.json", 304, hit, "", ["student", "3xx", "none", "static"]),
            ("/student/7.json", 200, cache, "zstd", ["student", "2xx", "zstd", "cache"]),
            (
                "/student/7",
                200,
                "results-day;fwd=bypass;detail=database",
                "",
                ["live", "2xx", "identity", "database"],
            ),
            ("/student/7.json", 404, "", "", ["student", "4xx", "none", "none"]),
            ("/student/x", 400, "", "", ["live", "4xx", "none", "none"]),
            ("/student/7.json", 503, "", "", ["student", "5xx", "none", "none"]),
            ("/release.json", 200, "", "", ["release", "2xx", "none", "none"]),
            ("/favicon.ico", 404, "", "", ["other", "4xx", "none", "none"]),
            ("*", 200, "", "", ["other", "2xx", "none", "none"]),
        ] {
            let kind = kind(path, status, cache_status, coding);
            assert_eq!(kind.labels().map(|(_, value)| value), labels, "{path} {status}");
            assert!(kind.is_usual(), "{labels:?}");
        }
    }

    #[test]
    fn every_kind_has_a_place_of_its_own() {
        assert_eq!(KINDS, 256);
        for (place, kind) in Kind::all().enumerate() {
            assert_eq!(kind.place(), place);
        }
        assert_eq!(Kind::all().filter(|kind| kind.is_usual()).count(), 32);
    }
}
