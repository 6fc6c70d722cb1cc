use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, VARY},
};
use http_body_util::Full;
use jiff::Timestamp;
use results_day::student::IdError;
use serde::Serialize;

use super::{
    cache_policy::CachePolicy,
    request_id::{RequestId, X_REQUEST_ID},
};
use crate::embargo::seconds_until;

/// Every way in which a request can end without a document, as `application/problem+json` (RFC 9457).
///
/// A text never repeats what was asked: it may have been an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The path holds something other than an id.
    InvalidId(IdError),
    /// Nobody has this id, or the result is withheld.
    UnknownStudent,
    /// There is nothing at this path.
    UnknownPath,
    /// There is no live API without a database.
    NoLiveApi,
    /// The path is right and the method is not.
    MethodNotAllowed,
    /// The request refuses every coding there is.
    NotAcceptable,
    /// Nothing was published yet.
    NoRelease,
    /// Nobody may see the results before this instant.
    Embargoed(Timestamp),
    /// The database has not been heard yet.
    NoKnowledge,
    /// The database holds another data set than the release.
    OtherDataSet,
    /// The student's result changed, and the live path cannot tell what it is now.
    LiveUnavailable,
    /// More was asked of the live path than it can answer in time.
    Overloaded,
    /// The stored document is broken here.
    Damaged,
    /// A bug.
    Internal,
}

/// Whoever comes before the hour is told to come back at it, or after a minute: the hour may be moved.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What may be asked of a result.
pub(crate) const METHODS: &str = "GET, HEAD, OPTIONS";

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl Problem {
    /// What each is called, by its [`number`](Self::number).
    pub(crate) const NAMES: [&str; 14] = [
        "invalid-student-id",
        "unknown-student",
        "unknown-path",
        "no-live-api",
        "method-not-allowed",
        "not-acceptable",
        "no-release",
        "embargoed",
        "starting",
        "other-data-set",
        "live-unavailable",
        "overloaded",
        "damaged",
        "internal",
    ];

    /// The answer to a request that has no name.
    pub(crate) fn response(self) -> Response<Full<Bytes>> {
        self.answer(None)
    }

    /// The answer to this request, which carries its name. Never cached, so it names no other request.
    pub(super) fn response_to(self, request: &RequestId) -> Response<Full<Bytes>> {
        self.answer(Some(request))
    }

    /// Whether it is this server that has failed, rather than the request or the hour. What no request can be answered
    /// for, such as an embargo or the lack of a release, is no failure of this one: it is logged when it begins.
    pub(super) const fn is_failure(self) -> bool {
        matches!(self, Self::LiveUnavailable | Self::Overloaded | Self::Damaged | Self::Internal)
    }

    pub(super) const fn name(self) -> &'static str {
        Self::NAMES[self.number()]
    }

    /// It says in an extension which problem it is, for whoever counts.
    fn answer(self, request: Option<&RequestId>) -> Response<Full<Bytes>> {
        let (status, title) = self.describe();
        let body = Body {
            r#type: format!("urn:results-day:problem:{}", self.name()),
            title,
            status: status.as_u16(),
            detail: self.detail(),
            request_id: request.map(RequestId::as_str),
        };
        // A struct of texts and a number always serializes.
        let json = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = Response::new(Full::new(Bytes::from(json)));
        *response.status_mut() = status;
        response.extensions_mut().insert(self);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, self.policy().header());
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        match self {
            Self::MethodNotAllowed => {
                headers.insert(ALLOW, HeaderValue::from_static(METHODS));
            }
            Self::NotAcceptable => {
                headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
            }
            _ => {}
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(id) = request.and_then(RequestId::header) {
            headers.insert(X_REQUEST_ID, id);
        }
        response
    }

    /// Its place among [`NAMES`](Self::NAMES), whatever it carries.
    pub(crate) const fn number(self) -> usize {
        match self {
            Self::InvalidId(_) => 0,
            Self::UnknownStudent => 1,
            Self::UnknownPath => 2,
            Self::NoLiveApi => 3,
            Self::MethodNotAllowed => 4,
            Self::NotAcceptable => 5,
            Self::NoRelease => 6,
            Self::Embargoed(_) => 7,
            Self::NoKnowledge => 8,
            Self::OtherDataSet => 9,
            Self::LiveUnavailable => 10,
            Self::Overloaded => 11,
            Self::Damaged => 12,
            Self::Internal => 13,
        }
    }

    const fn describe(self) -> (StatusCode, &'static str) {
        const AWAY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
        match self {
            Self::InvalidId(_) => (StatusCode::BAD_REQUEST, "This is not a student id"),
            Self::UnknownStudent => (StatusCode::NOT_FOUND, "No result has this id"),
            Self::UnknownPath => (StatusCode::NOT_FOUND, "There is nothing here"),
            Self::NoLiveApi => (StatusCode::NOT_FOUND, "This server has no live API"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "Results can only be read"),
            Self::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "No acceptable encoding is available"),
            Self::NoRelease => (AWAY, "Results are not published yet"),
            Self::Embargoed(_) => (AWAY, "Results are not shown yet"),
            Self::NoKnowledge => (AWAY, "This server does not know yet what is current"),
            Self::OtherDataSet => (AWAY, "The next results are not published yet"),
            Self::LiveUnavailable => (AWAY, "This result is being corrected"),
            Self::Overloaded => (AWAY, "Too many look-ups at once"),
            Self::Damaged => (AWAY, "This server's copy of the result is broken"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "This server failed"),
        }
    }

    fn detail(self) -> Option<String> {
        let text = match self {
            Self::InvalidId(error) => error.to_string(),
            Self::UnknownPath => "results are at /student/<id>.json".to_owned(),
            Self::NoLiveApi => "it was started without a database; ask for /student/<id>.json".to_owned(),
            Self::NotAcceptable => "a result can be had as zstd, gzip or identity".to_owned(),
            Self::Embargoed(until) => format!("nobody can see a result before {until}"),
            Self::OtherDataSet => {
                "the database holds another data set than the release, and nothing of it is shown \
                                   before a release of it is there"
                    .to_owned()
            }
            Self::LiveUnavailable => {
                "it has changed since it was published, and what it is now cannot be read at the moment"
                    .to_owned()
            }
            _ => return None,
        };
        Some(text)
    }

    const fn policy(self) -> CachePolicy {
        match self {
            Self::UnknownStudent => CachePolicy::NotFound,
            Self::Embargoed(_) => CachePolicy::Embargoed,
            _ => CachePolicy::Error,
        }
    }

    /// Seconds after which it is worth asking again (RFC 9110, 10.2.3).
    fn retry_after(self) -> Option<u64> {
        match self {
            Self::Embargoed(until) => Some(seconds_until(until, Timestamp::now(), LONGEST_WAIT)),
            Self::NoRelease | Self::OtherDataSet => Some(10),
            Self::NoKnowledge | Self::LiveUnavailable | Self::Damaged => Some(5),
            Self::Overloaded => Some(1),
            _ => None,
        }
    }
}
