use http::{HeaderMap, HeaderValue, header::ACCEPT_ENCODING};

/// How the document is coded on its way (RFC 9110, 8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// The stored frame as it is (RFC 8878).
    Zstd,
    /// Derived for each request (RFC 1952).
    Gzip,
    /// The document itself.
    Identity,
}

/// A weight in thousandths: 0 refuses, 1000 is best (RFC 9110, 12.4.2).
type Weight = u16;

impl Coding {
    /// The coding that the request likes best (RFC 9110, 12.5.3); of equals the one that costs least. `None`
    /// where it refuses all of them.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(ACCEPT_ENCODING).iter();
        let Some(first) = values.next() else {
            // Anything would do; whoever says nothing is most likely to understand the plain form.
            return Some(Self::Identity);
        };
        let mut accepted = Accepted::default();
        accepted.read(first);
        values.for_each(|value| accepted.read(value));
        accepted.best()
    }

    /// The `Content-Encoding` header, which identity does without.
    pub(crate) fn header(self) -> Option<HeaderValue> {
        match self {
            Self::Zstd => Some(HeaderValue::from_static("zstd")),
            Self::Gzip => Some(HeaderValue::from_static("gzip")),
            Self::Identity => None,
        }
    }
}

#[derive(Debug, Default)]
struct Accepted {
    zstd: Option<Weight>,
    gzip: Option<Weight>,
    identity: Option<Weight>,
    any: Option<Weight>,
}

impl Accepted {
    fn read(&mut self, value: &HeaderValue) {
        // Bytes that are no text name no coding.
        let list = value.to_str().unwrap_or("");
        for element in list.split(',') {
            let mut parts = element.split(';');
            let name = parts.next().unwrap_or("").trim();
            let Some(weight) = parts.next().map_or(Some(1000), weight) else { continue };
            let named = if name.eq_ignore_ascii_case("zstd") {
                &mut self.zstd
            } else if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
                &mut self.gzip
            } else if name.eq_ignore_ascii_case("identity") {
                &mut self.identity
            } else if name == "*" {
                &mut self.any
            } else {
                continue;
            };
            *named = Some(weight);
        }
    }

    fn best(&self) -> Option<Coding> {
        let named = |weight: Option<Weight>| weight.or(self.any).filter(|weight| *weight > 0);
        let (zstd, gzip) = (named(self.zstd), named(self.gzip));
        if zstd.max(gzip) < self.identity.filter(|weight| *weight > 0) {
            return Some(Coding::Identity);
        }
        match (zstd, gzip) {
            (Some(zstd), gzip) if Some(zstd) >= gzip => Some(Coding::Zstd),
            (_, Some(_)) => Some(Coding::Gzip),
            // Unless it is refused by name or by the asterisk, identity will do.
            _ => (self.identity.or(self.any) != Some(0)).then_some(Coding::Identity),
        }
    }
}

/// Reads `q=0.5`; `None` for what is not a weight.
fn weight(parameter: &str) -> Option<Weight> {
    let (name, value) = parameter.trim().split_once('=')?;
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    if !name.eq_ignore_ascii_case("q") || decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let thousandths = format!("{decimals:0<3}").parse().ok()?;
    match (whole, thousandths) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coding_is_the_one_that_the_request_likes_best() {
        use Coding::{Gzip, Identity, Zstd};
        for (accept, coding) in [
            ("gzip, deflate, br, zstd", Some(Zstd)),
            ("gzip, deflate, br", Some(Gzip)),
            ("deflate, br", Some(Identity)),
            ("", Some(Identity)),
            ("*", Some(Zstd)),
            ("zstd;q=0, *", Some(Gzip)),
            ("gzip;q=1.0, zstd;q=0.5", Some(Gzip)),
            ("gzip;q=0.5, zstd;q=0.5", Some(Zstd)),
            ("gzip;q=0.001", Some(Gzip)),
            ("identity;q=1, gzip;q=0.5", Some(Identity)),
            ("identity;q=0.5, gzip;q=0.5", Some(Gzip)),
            ("identity, zstd", Some(Zstd)),
            ("ZSTD ; Q=1", Some(Zstd)),
            ("x-gzip", Some(Gzip)),
            ("identity;q=0", None),
            ("*;q=0", None),
            ("*;q=0, identity", Some(Identity)),
            ("*;q=0, gzip;q=0.1", Some(Gzip)),
            ("identity;q=0, zstd;q=0, gzip;q=0", None),
            ("zstd;q=nonsense", Some(Identity)),
            ("zstd;q=1.5, gzip;q=0.1234", Some(Identity)),
            ("zstdx, gzi", Some(Identity)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accept));
            assert_eq!(Coding::negotiate(&headers), coding, "{accept:?}");
        }
        assert_eq!(Coding::negotiate(&HeaderMap::new()), Some(Identity));
    }

    #[test]
    fn several_header_lines_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        headers.append(ACCEPT_ENCODING, HeaderValue::from_static("zstd"));
        assert_eq!(Coding::negotiate(&headers), Some(Coding::Zstd));
    }
}
