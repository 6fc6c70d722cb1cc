//! What is, looked at when somebody asks.

use std::{fmt, time::SystemTime};

use jiff::Timestamp;
use results_day::{
    metrics::{Families, seconds},
    source::Connections,
};

use crate::{
    admin,
    embargo::{Clock, Gate},
    serving::{Knowledge, Shared},
};

pub(super) fn tell_of_the_server(shared: &Shared, families: &mut Families<'_>) -> fmt::Result {
    families.gauge(
        "serve_build_info",
        "The version of serve.",
        [([("version", env!("CARGO_PKG_VERSION"))], 1_u64)],
    )?;
    families.gauge(
        "serve_ready",
        "Whether /readyz says that this server is ready.",
        [([], yes(admin::is_ready(shared)))],
    )?;
    families.gauge(
        "serve_draining",
        "Whether this server is about to stop.",
        [([], yes(shared.is_draining()))],
    )
}

pub(super) fn tell_of_the_release(shared: &Shared, families: &mut Families<'_>) -> fmt::Result {
    let serving = shared.serving();
    let release = serving.release.as_deref();
    let manifest = release.map(|release| &release.manifest);
    for (name, help, value) in [
        (
            "serve_release_number",
            "The number of the release that is loaded; 0 before the first.",
            manifest.map_or(0, |manifest| manifest.number.get()),
        ),
        (
            "serve_release_students",
            "How many students the release holds.",
            manifest.map_or(0, |manifest| manifest.students),
        ),
        (
            "serve_release_shards",
            "How many shards the release has.",
            manifest.map_or(0, |manifest| manifest.shards.len() as u64),
        ),
        (
            "serve_release_bytes",
            "The size of the release's shards together.",
            manifest.map_or(0, |manifest| manifest.shards.iter().map(|shard| shard.bytes).sum()),
        ),
        (
            "serve_release_visible",
            "Whether anybody may see the release: it is loaded, and its hour has come if it has one.",
            yes(manifest.is_some() && serving.gate == Gate::Open),
        ),
        (
            "serve_clock_steady",
            "0 where the wall clock was set forward while a release waits for its hour.",
            yes(!matches!(serving.gate, Gate::Closed(embargo) if embargo.clock == Clock::Jumped)),
        ),
        (
            "serve_shards_in_memory",
            "Shards that found no place on disk.",
            release.map_or(0, |release| release.unkept().count() as u64),
        ),
    ] {
        families.gauge(name, help, [([], value)])?;
    }
    let not_before = match (serving.gate, manifest) {
        (Gate::Closed(embargo), Some(_)) => Some(embargo.until),
        (_, manifest) => manifest.and_then(|manifest| manifest.not_before),
    };
    for (name, help, instant) in [
        (
            "serve_release_created_timestamp_seconds",
            "When the release was made, by the publisher's clock.",
            manifest.map(|manifest| manifest.created),
        ),
        (
            "serve_release_changed_timestamp_seconds",
            "When this server switched to the release.",
            shared.followed().switched(),
        ),
        (
            "serve_release_not_before_timestamp_seconds",
            "The hour before which nobody sees the release; 0 where there is none.",
            not_before,
        ),
    ] {
        families.gauge(name, help, [([], seconds(instant))])?;
    }
    Ok(())
}

pub(super) fn tell_of_the_store(shared: &Shared, families: &mut Families<'_>) -> fmt::Result {
    let followed = shared.followed();
    families.gauge(
        "serve_store_up",
        "Whether the store answered when it was last asked for a release.",
        [([], yes(followed.store_answers()))],
    )?;
    families.gauge(
        "serve_release_lost",
        "Whether the store held no release any more when it was last asked.",
        [([], yes(followed.release_lost()))],
    )?;
    families.gauge(
        "serve_release_checked_timestamp_seconds",
        "When this server last knew from the store which release is current; 0 before the first time.",
        [([], seconds(followed.checked()))],
    )?;
    families.counter(
        "serve_release_fetch_failures_total",
        "Failures to ask for the next release or to bring it here.",
        [([], followed.fetch_failures())],
    )?;
    families.counter(
        "serve_cache_repairs_total",
        "Shards of this server's copy that were made whole again, by what was wrong.",
        [
            ([("cause", "damaged")], followed.damaged_repaired()),
            ([("cause", "missing")], followed.missing_repaired()),
        ],
    )?;
    let knows_changes = !matches!(shared.serving().knowledge, Knowledge::Static);
    families.gauge(
        "serve_cache_written",
        "Whether a restart would find the release on disk, and what it may believe of changes.",
        [([], yes(followed.release_is_written() && (!knows_changes || followed.journal_is_written())))],
    )
}

pub(super) fn tell_of_the_database(
    shared: &Shared,
    connections: Connections,
    families: &mut Families<'_>,
) -> fmt::Result {
    let serving = shared.serving();
    let (mut changed, mut since, mut everything) = (0, 0, false);
    if let Knowledge::Known(known) = &serving.knowledge {
        changed = known.log.len();
        if let Some(release) = serving.release.as_deref().filter(|release| known.is_of(release)) {
            since = known.log.since(&release.manifest.source.snapshot);
            everything = known.everybody_changed_since(release);
        }
    }
    families.gauge(
        "serve_database_up",
        "Whether the database answered the last poll.",
        [([], yes(shared.followed().database_answers()))],
    )?;
    families.gauge(
        "serve_changes_unlogged",
        "Whether it answered that it does not log all of its changes.",
        [([], yes(shared.followed().changes_unlogged()))],
    )?;
    // Reckoned back from a clock that nobody sets.
    let heard = shared.age().and_then(|age| Timestamp::try_from(SystemTime::now().checked_sub(age)?).ok());
    families.gauge(
        "serve_changes_heard_timestamp_seconds",
        "When a poll of the database last succeeded; 0 where none has since the start.",
        [([], seconds(heard))],
    )?;
    families.gauge(
        "serve_changed_students",
        "Students who have a row in the change log.",
        [([], changed)],
    )?;
    families.gauge(
        "serve_changed_since_release_students",
        "Students who have a change that the release has not seen, and are answered live.",
        [([], since)],
    )?;
    families.gauge(
        "serve_everything_changed",
        "Whether everybody is answered live, because everything has changed or nobody can be called unchanged.",
        [([], yes(everything))],
    )?;
    families.gauge(
        "serve_database_connections",
        "Connections to the database, for polls and for look-ups.",
        [([("state", "idle")], connections.idle), ([("state", "in-use")], connections.in_use)],
    )?;
    families.gauge(
        "serve_database_connections_max",
        "How many connections to the database there may be.",
        [([], connections.most)],
    )
}

fn yes(so: bool) -> u64 {
    u64::from(so)
}
