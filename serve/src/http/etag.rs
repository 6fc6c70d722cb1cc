use http::{HeaderMap, HeaderValue, header::IF_NONE_MATCH};

use super::coding::Coding;

/// The version of the gzip encoder. Whoever changes its library or level raises it; the zstd encoder needs
/// none, because the hash is of its output.
const GZIP: u8 = 1;

/// A strong entity tag (RFC 9110, 8.8.3): the frame's hash and the coding, so that no two bodies share one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ETag([u8; LENGTH]);

/// Quote, 16 hexadecimal digits, a hyphen, two characters for the coding, quote.
const LENGTH: usize = 21;

impl ETag {
    /// The tag of the document whose frame has this hash, in this coding.
    pub(crate) fn new(hash: u64, coding: Coding) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut tag = *b"\"0123456789abcdef-xx\"";
        for (place, digit) in tag[1..17].iter_mut().enumerate() {
            *digit = DIGITS[(hash >> (60 - 4 * place) & 0xF) as usize];
        }
        let suffix = match coding {
            Coding::Zstd => *b"zs",
            Coding::Gzip => [b'g', b'0' + GZIP],
            Coding::Identity => *b"id",
        };
        tag[18..20].copy_from_slice(&suffix);
        Self(tag)
    }

    pub(crate) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_bytes(&self.0).ok()
    }

    /// Whether `If-None-Match` names this tag (RFC 9110, 13.1.2): the client has these bytes.
    pub(crate) fn is_named_by(&self, headers: &HeaderMap) -> bool {
        headers.get_all(IF_NONE_MATCH).iter().any(|value| self.is_in(value.as_bytes()))
    }

    /// Compares weakly (RFC 9110, 8.8.3.2): a proxy that compressed the answer made the tag weak.
    fn is_in(&self, mut list: &[u8]) -> bool {
        if list.trim_ascii() == b"*" {
            return true;
        }
        loop {
            list = list.trim_ascii_start();
            let tag = list.strip_prefix(b"W/").unwrap_or(list);
            let Some(length) = quoted_length(tag) else { return false };
            if tag[..length] == self.0 {
                return true;
            }
            match tag[length..].trim_ascii_start().strip_prefix(b",") {
                Some(rest) => list = rest,
                None => return false,
            }
        }
    }
}

/// The length of the quoted string that `text` starts with; a tag may have commas in it, and no escapes.
fn quoted_length(text: &[u8]) -> Option<usize> {
    let inside = text.strip_prefix(b"\"")?;
    inside.iter().position(|byte| *byte == b'"').map(|end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_differs_with_the_hash_and_with_the_coding() {
        let text = |hash, coding| String::from_utf8(ETag::new(hash, coding).0.to_vec()).unwrap();
        assert_eq!(text(0x0123_4567_89ab_cdef, Coding::Zstd), "\"0123456789abcdef-zs\"");
        assert_eq!(text(u64::MAX, Coding::Gzip), "\"ffffffffffffffff-g1\"");
        assert_eq!(text(0, Coding::Identity), "\"0000000000000000-id\"");
    }

    #[test]
    fn if_none_match_is_a_list_compared_weakly() {
        let tag = ETag::new(0, Coding::Zstd);
        for (value, named) in [
            (r#""0000000000000000-zs""#, true),
            (r#"W/"0000000000000000-zs""#, true),
            (r#""a", W/"b,c" ,"0000000000000000-zs""#, true),
            ("*", true),
            (" * ", true),
            (r#""0000000000000000-g1""#, false),
            (r#""*""#, false),
            (r#"0000000000000000-zs"#, false),
            (r#""a" "0000000000000000-zs""#, false),
            (r#""0000000000000000-zs"#, false),
            (r#"w/"0000000000000000-zs""#, false),
            ("", false),
            (",", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
            assert_eq!(tag.is_named_by(&headers), named, "{value}");
        }
    }
}
