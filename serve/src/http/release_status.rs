use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::cache_policy::CachePolicy;
use crate::{
    embargo::{Clock, Gate},
    serving::{Knowledge, Known, Serving, Shared},
};

/// `GET /release.json`: what is served, and how old the knowledge of changes is. Nothing in it depends on an id, so it
/// is answered before the hour as well.
#[derive(Serialize)]
struct ReleaseStatus {
    /// The current release's number; null before the first.
    release: Option<u64>,
    /// How many students it holds.
    students: u64,
    /// When it was made.
    published: Option<String>,
    /// The hour before which nobody sees it, as far as this server knows; null where there is none.
    not_before: Option<String>,
    /// Whether its hour has come, if it has one.
    visible: bool,
    /// Whether the wall clock can be believed when it says that the hour has come.
    clock: &'static str,
    /// What is known of changes; null for a server without a database.
    changes: Option<ChangesStatus>,
}

#[derive(Default, Serialize)]
struct ChangesStatus {
    /// How many students have changed since the release: their results are answered live.
    since_release: usize,
    /// Whether everybody has: the release is of a state that the database lost, or the database was seen not to log
    /// its changes.
    everybody: bool,
    /// Whether the database holds another data set than the release: nobody is answered.
    other_data_set: bool,
    /// Seconds since the database last answered; null where it has not since this server started.
    age_seconds: Option<f64>,
}

/// Answers with what this request sees.
pub(super) fn release_status(shared: &Shared, serving: &Serving) -> Response {
    let manifest = serving.release.as_ref().map(|release| &release.manifest);
    let status = ReleaseStatus {
        release: manifest.map(|manifest| manifest.number.get()),
        students: manifest.map_or(0, |manifest| manifest.students),
        published: manifest.map(|manifest| manifest.created.to_string()),
        not_before: match (serving.gate, manifest) {
            (Gate::Closed(embargo), Some(_)) => Some(embargo.until.to_string()),
            (_, manifest) => manifest.and_then(|manifest| Some(manifest.not_before?.to_string())),
        },
        visible: manifest.is_some() && serving.gate == Gate::Open,
        clock: match serving.gate {
            Gate::Closed(embargo) if embargo.clock == Clock::Jumped => "jumped",
            _ => "steady",
        },
        changes: match &serving.knowledge {
            Knowledge::Static => None,
            Knowledge::Nothing => Some(ChangesStatus::default()),
            Knowledge::Known(known) => Some(ChangesStatus {
                age_seconds: shared.age().map(|age| age.as_secs_f64()),
                ..ChangesStatus::of(known, serving)
            }),
        },
    };
    ([(http::header::CACHE_CONTROL, CachePolicy::Live.header())], axum::Json(status)).into_response()
}

impl ChangesStatus {
    fn of(known: &Known, serving: &Serving) -> Self {
        let Some(release) = &serving.release else { return Self::default() };
        if !known.is_of(release) {
            return Self { other_data_set: true, ..Self::default() };
        }
        Self {
            since_release: known.log.since(&release.manifest.source.snapshot),
            everybody: known.everybody_changed_since(release),
            ..Self::default()
        }
    }
}
