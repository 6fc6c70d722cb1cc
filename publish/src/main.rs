//! `publish` renders every result once and commits the lot as a release.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind};
use jiff::Timestamp;
use publish::{
    Publisher, duration,
    metrics::{self, Ending, Record, Work},
    parts::{self, Role},
    summary, verify, watch,
};
use results_day::{
    log::{self, LogFormat},
    private,
    release::{Bucket, EmbargoError, ReleaseNumber, Spared},
    source,
};

/// Renders every result once and commits them as a release.
///
/// Shards that hold nobody changed since the current release are reused as they are; where nothing has
/// changed, nothing is done. Killed at any instant it leaves the current release as it was.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// The database: sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/NAME
    #[arg(
        long,
        env = "DATABASE_URL",
        value_name = "URL",
        default_value = "sqlite:var/results.db",
        hide_env_values = true
    )]
    database: String,

    /// Show nobody a result before this instant, such as 2026-11-30T06:00:00Z
    ///
    /// Sets the embargo of results that were never visible, or moves it; every further release inherits it. With --watch
    /// it is for the first release alone.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    not_before: Option<Timestamp>,

    /// Where releases are kept: an S3 bucket, such as results or s3://results/prefix, reached as the AWS_*
    /// variables say, or a directory, such as ./var/bucket or file:///srv/bucket
    #[arg(long, env = "BUCKET", global = true, default_value = "./var/bucket")]
    bucket: Bucket,

    #[command(flatten)]
    watch: watch::Flags,

    #[command(flatten)]
    parts: parts::Flags,

    #[command(flatten)]
    metrics: metrics::Flags,

    /// How to log: text or json. RUST_LOG says what
    #[arg(long, env = "LOG_FORMAT", value_name = "FORMAT", global = true, default_value_t)]
    log_format: LogFormat,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the releases that are kept, the newest first
    Releases {
        /// As one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Shows an older release again: commits a release that names its shards, after reading all of them
    ///
    /// It keeps the snapshot that the older release was read from, so whoever has changed since is answered live, and
    /// no superseded mark comes back. A watcher publishes nothing on top of it until somebody runs publish. Servers whose
    /// database holds another data set than the older release answer nobody.
    Rollback {
        /// The older release's number
        number: ReleaseNumber,
    },
    /// Says what no kept release names any more and, with --delete, takes it away
    Collect {
        /// Takes it away, behind a fence: a release equal to the current one, which no publisher that began earlier
        /// can pass
        #[arg(long)]
        delete: bool,

        /// How many of the newest releases are kept, counting those that differ from each other
        #[arg(long, value_name = "RELEASES", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
        keep: u16,

        /// What was current, or was written, so recently is kept as well: servers may still be reading it
        #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration::parse)]
        grace: Duration,
    },
    /// Reads a whole release again, checks every blob, frame, document and count, and names all that is wrong
    Verify(verify::Verify),
}

fn main() -> ExitCode {
    let matches = Arguments::command().get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let watches = arguments.watch.patience().is_some();
    let publishes = arguments.not_before.is_some() || watches || arguments.parts.role() != Role::Alone;
    let misplaced = if arguments.command.is_some() && publishes {
        Some(
            "--not-before, --watch, --parts, --part and --run are for publishing, and not for what is done with releases",
        )
    } else {
        metrics::Flags::misplaced(&matches, watches)
    };
    if let Some(misplaced) = misplaced {
        Arguments::command().error(ErrorKind::ArgumentConflict, misplaced).exit();
    }
    // Nobody looks at a watcher while it works.
    let level = if watches { "info" } else { log::QUIET };
    let log_format = arguments.log_format;
    log_format.start(level);
    private::leave_no_core();
    match start(arguments) {
        Ok(summary) => {
            if let Some(summary) = summary {
                println!("{summary}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            log_format.failed("publish", &error);
            ExitCode::FAILURE
        }
    }
}

/// Reads an instant.
fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|error| {
        format!("{error}; give one such as 2026-11-30T06:00:00Z or 2026-11-30T09:00:00+03:00")
    })
}

/// The one line to end with, if there is one.
fn start(arguments: Arguments) -> anyhow::Result<Option<String>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(async {
        match arguments.watch.patience() {
            Some(patience) => watch(arguments, patience).await.map(|()| None),
            None => run(arguments).await.map(Some),
        }
    });
    // A call that waits for a locked database cannot be interrupted, and nothing depends on its end.
    runtime.shutdown_background();
    ended
}

async fn watch(arguments: Arguments, patience: watch::Patience) -> anyhow::Result<()> {
    let source = source::connect(&arguments.database)?;
    let record = Record::of(metrics::Command::Publish);
    if let Some(address) = arguments.metrics.address() {
        metrics::serve(address, &record).await?;
    }
    watch::watch(source, arguments.bucket, patience, arguments.not_before, record).await
}

/// Does what is to be done once, and tells of it where that was asked for, also where it failed.
async fn run(arguments: Arguments) -> anyhow::Result<String> {
    let Arguments { command, database, not_before, bucket, metrics, parts, .. } = arguments;
    let kind = match &command {
        None => metrics::Command::Publish,
        Some(Command::Rollback { .. }) => metrics::Command::RollBack,
        Some(Command::Collect { .. }) => metrics::Command::Collect,
        Some(Command::Verify(_)) => metrics::Command::Verify,
        Some(Command::Releases { .. }) => metrics::Command::Releases,
    };
    let (started, record) = (Instant::now(), Record::of(kind));
    let ran = once(command, &database, not_before, parts.role(), &bucket, &record.work).await;
    // Whoever asks for an hour that cannot be had is told so at once. That is no publication that failed.
    if ran.as_ref().is_err_and(|error| error.is::<EmbargoError>()) {
        return ran.map(|(said, _)| said);
    }
    record.runs.ended(ran.as_ref().map_or(Ending::Failed, |(_, ending)| *ending), started.elapsed());
    // What was done is done, whether or not it can be told of.
    if let Some(path) = metrics.file()
        && let Err(error) = record.write(path)
    {
        tracing::error!(%error, file = %path.display(), "how the run went could not be written down");
    }
    ran.map(|(said, _)| said)
}

async fn once(
    command: Option<Command>,
    database: &str,
    not_before: Option<Timestamp>,
    role: Role,
    bucket: &Bucket,
    work: &Work,
) -> anyhow::Result<(String, Ending)> {
    Ok(match command {
        None => {
            let (source, store) = (source::connect(database)?, bucket.open_to_publish().await?);
            match role {
                Role::Alone => {
                    let publisher = Publisher::Person { not_before };
                    let outcome = publish::publish(&*source, &store, publisher, work).await?;
                    (outcome.to_string(), outcome.ending())
                }
                Role::Committer(run, of) => {
                    let outcome =
                        parts::commit(&*source, &store, &run, of, not_before, parts::PATIENCE, work).await?;
                    (outcome.to_string(), outcome.ending())
                }
                Role::Part(run, part) => {
                    let outcome =
                        parts::contribute(&*source, &store, &run, part, parts::PATIENCE, work).await?;
                    (outcome.to_string(), outcome.ending())
                }
            }
        }
        Some(Command::Releases { json }) => {
            let releases = publish::releases(&bucket.existing()?.open()?).await?;
            (if json { releases.to_json()? } else { releases.to_string() }, Ending::Unchanged)
        }
        Some(Command::Rollback { number }) => {
            let committed = bucket.existing()?.open_to_change()?.roll_back(number).await?;
            let ending = if committed.is_some() { Ending::RolledBack } else { Ending::Unchanged };
            if committed.is_some() {
                work.saw(committed.as_ref());
            }
            (summary::rolled_back(number, committed.as_ref()), ending)
        }
        Some(Command::Collect { delete, keep, grace }) => {
            let (store, spared) =
                (bucket.existing()?.open_to_change()?, Spared { releases: keep.into(), grace });
            let collection =
                if delete { store.collect(spared).await? } else { store.collectable(spared).await? };
            let collected = delete && (collection.objects > 0 || !collection.releases.is_empty());
            if collected {
                work.collected_objects.add(collection.objects);
                work.collected_bytes.add(collection.bytes);
            }
            let ending = if collected { Ending::Collected } else { Ending::Unchanged };
            (summary::collected(&collection, delete), ending)
        }
        Some(Command::Verify(request)) => {
            let said = verify::verify(request, database, &bucket.existing()?.open()?).await?;
            (said, Ending::Verified)
        }
    })
}
