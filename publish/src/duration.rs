//! Durations as people write them: `5s`, `500ms`, `1h 30m`.

use std::time::Duration;

use jiff::SignedDuration;

/// Reads a duration.
pub fn parse(text: &str) -> Result<Duration, String> {
    let duration: SignedDuration = text.parse().map_err(|error| format!("{error}; {EXAMPLE}"))?;
    duration.try_into().map_err(|_| format!("it is less than nothing; {EXAMPLE}"))
}

/// Reads one that is more than nothing.
pub fn parse_positive(text: &str) -> Result<Duration, String> {
    parse(text).and_then(|duration| match duration.is_zero() {
        true => Err(format!("it is not more than nothing; {EXAMPLE}")),
        false => Ok(duration),
    })
}

const EXAMPLE: &str = "give one such as 5s, 500ms or 1m30s";
