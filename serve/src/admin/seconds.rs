use std::time::Duration;

use http::Uri;

/// How long one may look at a running server. A profile holds as much.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// The `seconds` that the query asks for.
pub(super) fn seconds(uri: &Uri, default: Duration) -> Result<Duration, String> {
    let mut asked =
        uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.strip_prefix("seconds="));
    let Some(text) = asked.next() else { return Ok(default) };
    let seconds = text.parse().ok().map(Duration::from_secs);
    let possible = |seconds: &Duration| (Duration::from_secs(1)..=LONGEST).contains(seconds);
    seconds.filter(possible).ok_or_else(|| {
        format!("give a whole number of seconds from 1 to {}, such as ?seconds=10\n", LONGEST.as_secs())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_whole_and_bounded() {
        let default = Duration::from_secs(30);
        let ask = |uri: &'static str| {
            seconds(&Uri::from_static(uri), default).ok().map(|seconds| seconds.as_secs())
        };
        for (uri, expected) in [
            ("/", Some(30)),
            ("/?", Some(30)),
            ("/?debug=1", Some(30)),
            ("/?debug=1&seconds=5", Some(5)),
            ("/?seconds=1", Some(1)),
            ("/?seconds=60", Some(60)),
            ("/?seconds=61", None),
            ("/?seconds=0", None),
            ("/?seconds=", None),
            ("/?seconds=-1", None),
            ("/?seconds=1.5", None),
            ("/?seconds=18446744073709551616", None),
        ] {
            assert_eq!(ask(uri), expected, "{uri}");
        }
    }
}
