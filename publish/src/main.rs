//! `publish` renders every result once and commits the lot as a release.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
    time::Duration,
};

use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};
use jiff::Timestamp;
use publish::{
    Publisher, duration,
    parts::{self, Role},
    summary, verify, watch,
};
use results_day::{
    release::{Bucket, ReleaseNumber, Spared},
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
    let arguments = Arguments::parse();
    let publishes = arguments.not_before.is_some()
        || arguments.watch.patience().is_some()
        || arguments.parts.role() != Role::Alone;
    if arguments.command.is_some() && publishes {
        let told = "--not-before, --watch, --parts and --part are for publishing, and not for what is done with releases";
        Arguments::command().error(ErrorKind::ArgumentConflict, told).exit();
    }
    // Nobody looks at a watcher while it works.
    let level = if arguments.watch.patience().is_some() { "info" } else { "warn" };
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or(level.into()))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    match start(arguments) {
        Ok(summary) => {
            if let Some(summary) = summary {
                println!("{summary}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("publish: {error:#}");
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

fn start(arguments: Arguments) -> anyhow::Result<Option<String>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(run(arguments));
    // A call that waits for a locked database cannot be interrupted, and nothing depends on its end.
    runtime.shutdown_background();
    ended
}

/// The one line to end with, if there is one.
async fn run(arguments: Arguments) -> anyhow::Result<Option<String>> {
    let Arguments { command, database, not_before, bucket, watch, parts } = arguments;
    let said = match command {
        None => {
            let source = source::connect(&database)?;
            if let Some(patience) = watch.patience() {
                watch::watch(source, bucket, patience, not_before).await?;
                return Ok(None);
            }
            let store = bucket.open_to_publish().await?;
            match parts.role() {
                Role::Alone => {
                    publish::publish(&*source, &store, Publisher::Person { not_before }).await?.to_string()
                }
                Role::Committer(of) => {
                    parts::commit(&*source, &store, of, not_before, parts::PATIENCE).await?.to_string()
                }
                Role::Part(part) => {
                    parts::contribute(&*source, &store, part, parts::PATIENCE).await?.to_string()
                }
            }
        }
        Some(Command::Releases { json }) => {
            let releases = publish::releases(&bucket.existing()?.open()?).await?;
            if json { releases.to_json()? } else { releases.to_string() }
        }
        Some(Command::Rollback { number }) => {
            let committed = bucket.existing()?.open_to_change()?.roll_back(number).await?;
            summary::rolled_back(number, committed.as_ref())
        }
        Some(Command::Collect { delete, keep, grace }) => {
            let (store, spared) =
                (bucket.existing()?.open_to_change()?, Spared { releases: keep.into(), grace });
            let collection =
                if delete { store.collect(spared).await? } else { store.collectable(spared).await? };
            summary::collected(&collection, delete)
        }
        Some(Command::Verify(request)) => {
            verify::verify(request, &database, &bucket.existing()?.open()?).await?
        }
    };
    Ok(Some(said))
}
