use http::HeaderValue;

/// How long an answer may be kept, by whom. Each is a promise about corrections; the numbers say what it
/// costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CachePolicy {
    /// A published document. Its URL is stable and its content is not, so this is how long a correction can
    /// stay unseen: 60 s in each cache between here and the student, and 30 s more in one that revalidates
    /// behind the student's back.
    Published,
    /// An answer of the live path: kept, and revalidated by its entity tag at every use.
    Live,
    /// Nobody by that id. A student may be published in the next moment, so nothing is kept.
    NotFound,
    /// The release is under embargo. What is said before the hour must not be repeated after it, so nothing is kept.
    Embargoed,
    /// A refusal says nothing about the next request.
    Error,
}

impl CachePolicy {
    /// The `Cache-Control` header (RFC 9111, 5.2; RFC 5861, 3).
    pub(crate) const fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Published => "public, max-age=60, stale-while-revalidate=30",
            Self::Live => "no-cache",
            Self::NotFound | Self::Embargoed | Self::Error => "no-store",
        })
    }
}
