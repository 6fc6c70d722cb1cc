use std::error::Error;

/// What a person has to know of a store's error, on one line: the request and the cause, each once.
///
/// An S3 store explains itself in XML, and of a connection that failed the cause is the last of a chain of errors.
pub(super) fn reason(error: &object_store::Error) -> String {
    let text = error.to_string();
    let cause = explanation(&text).unwrap_or_else(|| {
        let innermost = innermost(error);
        // What does not come from a connection says everything by itself.
        if request(&text).is_none() || text.contains(&innermost) { status(&text) } else { innermost }
    });
    // The address that everybody asks who has not been given keys.
    if text.contains("//169.254.169.254/") {
        return format!(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, and this machine has no keys of its own \
             ({cause})"
        );
    }
    match request(&text) {
        Some(request) => format!("{cause} ({request})"),
        None => cause,
    }
}

/// The last error of the chain: what happened first.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// `<Code>` and `<Message>` of an S3 store's answer.
fn explanation(text: &str) -> Option<String> {
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0.trim())
    };
    let code = element("Code")?;
    Some(match element("Message") {
        Some(message) if !message.is_empty() => format!("{code}: {message}"),
        _ => code.to_owned(),
    })
}

/// The request that failed, as object_store words it, without its query.
fn request(text: &str) -> Option<String> {
    let (_, rest) = text.rsplit_once("Error performing ")?;
    let mut words = rest.split(' ');
    let (method, uri) = (words.next()?, words.next()?);
    let uri = uri.split('?').next()?;
    uri.contains("://").then(|| format!("{method} {uri}"))
}

/// The part that follows the request, on one line.
fn status(text: &str) -> String {
    let part = text.rsplit_once(" - ").map_or(text, |(_, part)| part);
    part.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches(':').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: text.to_owned().into() }
    }

    #[test]
    fn a_stores_explanation_is_picked_out_of_its_answer() {
        let error = generic(
            "Error performing list request: Error performing GET http://127.0.0.1:9000/results?list-type=2 in \
             1.4ms - Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?>\n<Error><Code>\
             SignatureDoesNotMatch</Code><Message>The request signature does not match.</Message></Error>",
        );
        assert_eq!(
            reason(&error),
            "SignatureDoesNotMatch: The request signature does not match. (GET http://127.0.0.1:9000/results)"
        );
    }

    #[test]
    fn an_answer_without_an_explanation_is_told_by_its_status() {
        let error = generic(
            "Error performing HEAD http://127.0.0.1:9000/results in 1.4ms - Server returned non-2xx status code: \
             502 Bad Gateway: ",
        );
        assert_eq!(
            reason(&error),
            "Server returned non-2xx status code: 502 Bad Gateway (HEAD http://127.0.0.1:9000/results)"
        );
    }

    #[test]
    fn an_error_that_is_no_answer_is_left_as_it_is() {
        assert_eq!(reason(&generic("the request timed out")), "Generic S3 error: the request timed out");
    }
}
