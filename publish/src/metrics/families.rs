//! What everything is called.

use std::fmt;

use results_day::metrics::{Families, seconds};

use super::{
    Part, Record,
    work::{Counter, Phase},
};

/// Of runs, whether a watcher makes them or a person. What this program has not come to know is left out: in a file
/// stays what an earlier run knew.
pub(super) fn tell_of_runs(record: &Record, families: &mut Families<'_>) -> fmt::Result {
    families.gauge(
        "publish_build_info",
        "The version of publish.",
        [([("version", env!("CARGO_PKG_VERSION"))], 1_u64)],
    )?;
    tell_how_they_ended(record, families)?;
    let release = record.work.release();
    for (name, help, value) in [
        (
            "publish_release_number",
            "The number of the current release, as far as was seen.",
            release.map(|release| release.number),
        ),
        (
            "publish_release_students",
            "How many students the current release holds.",
            release.map(|release| release.students),
        ),
    ] {
        families.gauge(name, help, value.map(|value| ([], value)))?;
    }
    families.gauge(
        "publish_release_created_timestamp_seconds",
        "When the current release was made, by its publisher's clock.",
        release.map(|release| ([], seconds(Some(release.created)))),
    )?;
    tell_of_work(record, families)
}

/// Of a watcher alone.
pub(super) fn tell_of_a_watcher(record: &Record, families: &mut Families<'_>) -> fmt::Result {
    let now = record.status.read();
    families.gauge(
        "publish_leading",
        "Whether this watcher works; the others stand by.",
        [([], u64::from(now.leading))],
    )?;
    for (name, help, up) in [
        ("publish_database_up", "Whether the database answered when it was last asked.", now.database),
        (
            "publish_store_up",
            "Whether the store answered when it was last asked; only who leads asks it.",
            now.store,
        ),
    ] {
        families.gauge(name, help, up.map(|up| ([], u64::from(up))))?;
    }
    families.gauge(
        "publish_trouble",
        "What fails, until it works again; data is what the database holds and only a person may publish or put right.",
        [
            ([("part", "database")], u64::from(now.trouble == Some(Part::Database))),
            ([("part", "store")], u64::from(now.trouble == Some(Part::Store))),
            ([("part", "data")], u64::from(now.needs_a_person)),
        ],
    )?;
    families.gauge(
        "publish_changes_pending",
        "Whether changes wait to be published.",
        [([], u64::from(now.waiting_since.is_some()))],
    )?;
    families.gauge(
        "publish_changes_waiting_since_timestamp_seconds",
        "Since when changes wait to be published; 0 where none do.",
        [([], seconds(now.waiting_since))],
    )
}

fn tell_how_they_ended(record: &Record, families: &mut Families<'_>) -> fmt::Result {
    let (command, ended) = (record.runs.command(), record.runs.so_far());
    let name = ("command", command.name());
    families.counter(
        "publish_runs_total",
        "Runs, by what they were for and how they ended.",
        command
            .endings()
            .iter()
            .zip(ended.counts)
            .map(|(ending, runs)| ([name, ("outcome", ending.name())], runs)),
    )?;
    for (family, help, instant) in [
        (
            "publish_last_success_timestamp_seconds",
            "When a run last ended without an error.",
            ended.last_success,
        ),
        (
            "publish_last_failure_timestamp_seconds",
            "When a run last ended with an error.",
            ended.last_failure,
        ),
    ] {
        families.gauge(family, help, instant.map(|instant| ([name], seconds(Some(instant)))))?;
    }
    families.gauge(
        "publish_duration_seconds",
        "How long the last run took.",
        ended.took.map(|took| ([name], took.as_secs_f64())),
    )
}

fn tell_of_work(record: &Record, families: &mut Families<'_>) -> fmt::Result {
    let work = &record.work;
    families.gauge(
        "publish_phase_seconds",
        "What each phase of the last publication took.",
        work.phases().into_iter().flat_map(|phases| {
            Phase::ALL.map(|(phase, name)| ([("phase", name)], phases[phase as usize].as_secs_f64()))
        }),
    )?;
    families.counter(
        "publish_shards_total",
        "Shards of publications: rendered as a whole, patched, or kept as they were.",
        [
            ([("action", "rendered")], work.shards_rendered.get()),
            ([("action", "patched")], work.shards_patched.get()),
            ([("action", "kept")], work.shards_kept.get()),
        ],
    )?;
    let counters: [(&str, &str, &Counter); 6] = [
        ("publish_rows_read_total", "Students who were read from the database.", &work.rows_read),
        (
            "publish_students_rendered_total",
            "Students whose documents were rendered.",
            &work.students_rendered,
        ),
        ("publish_uploaded_bytes_total", "Bytes of shards that the store has taken.", &work.uploaded_bytes),
        (
            "publish_races_lost_total",
            "Publications that began anew because a rival was faster.",
            &work.races_lost,
        ),
        ("publish_collected_objects_total", "Objects that collections deleted.", &work.collected_objects),
        (
            "publish_collected_bytes_total",
            "Bytes of objects that collections deleted.",
            &work.collected_bytes,
        ),
    ];
    counters
        .into_iter()
        .try_for_each(|(name, help, counter)| families.counter(name, help, [([], counter.get())]))
}
