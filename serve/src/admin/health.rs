use std::borrow::Cow;

use http::StatusCode;

use crate::serving::{NotReady, Shared};

/// Whether a front may ask this server.
pub(crate) fn is_ready(shared: &Shared) -> bool {
    ready(shared).0 == StatusCode::OK
}

/// `/readyz`. A release that nobody may see yet is no reason to be left out: at the hour it may be everybody.
pub(super) fn ready(shared: &Shared) -> (StatusCode, Cow<'static, str>) {
    const NOT: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    if shared.is_draining() {
        return (NOT, "stopping\n".into());
    }
    let serving = shared.serving();
    match serving.able().and_then(|_| serving.ready()) {
        Ok(_) => (StatusCode::OK, "ready\n".into()),
        Err(NotReady::Embargoed(until)) => {
            (StatusCode::OK, format!("ready; the release is loaded and hidden until {until}\n").into())
        }
        Err(NotReady::NoRelease) => (NOT, "no release is loaded\n".into()),
        Err(NotReady::NoKnowledge) => (NOT, "the database has not been heard from yet\n".into()),
        Err(NotReady::OtherDataSet) => (NOT, "the database holds another data set than the release\n".into()),
    }
}
