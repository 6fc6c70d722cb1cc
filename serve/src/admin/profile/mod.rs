//! `/debug/pprof/profile`: on what the processors spend their time, to be read by `go tool pprof`.
//!
//! The kernel interrupts the program a hundred times for each second that it computes, and whoever is interrupted notes
//! where it is (`sampler`). What was noted gets its names afterwards (`symbols`), and is written in pprof's form
//! (`pprof`). While nobody asks for a profile, all of this costs nothing.

mod pprof;
mod sampler;
mod symbols;

use std::time::{Duration, SystemTime};

use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri, header};

use super::seconds::seconds;
use sampler::Sampler;

/// What `go tool pprof` expects where it does not say how long.
const A_WHILE: Duration = Duration::from_secs(30);

/// `/debug/pprof/profile?seconds=N`. Whoever hangs up ends it.
pub(super) async fn profile(uri: Uri) -> Response {
    let duration = match seconds(&uri, A_WHILE) {
        Ok(duration) => duration,
        Err(error) => return (StatusCode::BAD_REQUEST, error).into_response(),
    };
    let begun = SystemTime::now();
    let sampler = match Sampler::start() {
        Ok(Some(sampler)) => sampler,
        Ok(None) => {
            let told =
                "another profile is being taken; ask again when it is done, after 60 s at the latest\n";
            return (StatusCode::CONFLICT, told).into_response();
        }
        Err(error) => return failed(format!("the profile's clock was not started: {error}\n")),
    };
    tokio::time::sleep(duration).await;
    // Names are looked up in the program's file, which takes a while.
    let samples = sampler.stop();
    let made = tokio::task::spawn_blocking(move || {
        pprof::write(&symbols::Symbols::of(&samples), &samples, begun, duration)
    });
    match made.await {
        Ok(profile) => {
            let headers = [
                (header::CONTENT_TYPE, "application/octet-stream"),
                (header::CONTENT_DISPOSITION, "attachment; filename=\"profile.pb.gz\""),
            ];
            (headers, profile).into_response()
        }
        Err(error) => failed(format!("the profile was not written: {error}\n")),
    }
}

fn failed(why: String) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, why).into_response()
}
