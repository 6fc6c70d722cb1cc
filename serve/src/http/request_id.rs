use http::{HeaderName, HeaderValue};
use results_day::random;

/// By what a front and a server call the same request.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The name of one request, in the log and in the answer: 32 hexadecimal digits, with or without the dashes of a UUID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestId(String);

/// Thirty-two digits and the four dashes of a UUID.
const LONGEST: usize = 36;

impl RequestId {
    /// The one that was sent. A request without one gets a new one, and so does a request with anything else: what
    /// stands in a log has a form that nobody can write other things in.
    pub(super) fn of(sent: Option<&HeaderValue>) -> Self {
        let sent = sent.and_then(|sent| sent.to_str().ok()).filter(|sent| is_well_formed(sent));
        Self(sent.map_or_else(random::hex_u128, str::to_owned))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

fn is_well_formed(sent: &str) -> bool {
    let dashes = sent.bytes().filter(|byte| *byte == b'-').count();
    sent.len() <= LONGEST
        && sent.len() - dashes == 32
        && sent.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_hexadecimal_number_is_taken_over() {
        let is_taken_over = |sent: &[u8]| {
            let header = HeaderValue::from_bytes(sent).unwrap();
            RequestId::of(Some(&header)).as_str().as_bytes() == sent
        };
        for sent in ["0123456789abcdef0123456789ABCDEF", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"] {
            assert!(is_taken_over(sent.as_bytes()), "{sent}");
        }
        for sent in [
            &b""[..],
            b"123456",
            b"0123456789abcdef0123456789abcde",
            b"0123456789abcdef0123456789abcdef0",
            b"0123456789abcdef0123456789abcdeg",
            b"0123456789abcdef 123456789abcdef",
            b"0-1-2-3-456789abcdef0123456789abcdef-",
            b"the student 123456 of the school x",
            b"\xff123456789abcdef0123456789abcdef",
        ] {
            assert!(!is_taken_over(sent), "{sent:?}");
        }
        assert_ne!(RequestId::of(None), RequestId::of(None));
        assert!(is_well_formed(RequestId::of(None).as_str()));
    }
}
