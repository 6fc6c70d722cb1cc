//! `publish` renders every result once and commits the lot as a release.

mod pipeline;
mod plan;
mod publication;
mod render;
mod summary;
mod watch;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use publication::Publisher;
use results_day::{
    release::{Bucket, ReleaseError, ReleaseNumber},
    source,
};

/// Renders every result once and commits them as a release.
///
/// Shards that hold nobody changed since the current release are reused as they are; where nothing has
/// changed, nothing is done. Killed at any instant it leaves the current release as it was.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = false)]
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

    /// Where releases are kept: an S3 bucket, such as results or s3://results/prefix, reached as the AWS_*
    /// variables say, or a directory, such as ./var/bucket or file:///srv/bucket
    #[arg(long, env = "BUCKET", global = true, default_value = "./var/bucket")]
    bucket: Bucket,

    #[command(flatten)]
    watch: watch::Flags,
}

#[derive(Subcommand)]
enum Command {
    /// Reads a whole release again and checks every blob, frame, document and count
    Verify {
        /// The release's number [default: the current one]
        number: Option<ReleaseNumber>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
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

fn start(arguments: Arguments) -> anyhow::Result<Option<String>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(run(arguments));
    // A call that waits for a locked database cannot be interrupted, and nothing depends on its end.
    runtime.shutdown_background();
    ended
}

/// The one line to end with, if there is one.
async fn run(arguments: Arguments) -> anyhow::Result<Option<String>> {
    let Arguments { command, database, bucket, watch } = arguments;
    match (command, watch.patience()) {
        (None, None) => {
            let (source, store) = (source::connect(&database)?, bucket.open_to_publish().await?);
            let outcome = publication::publish(source.as_ref(), &store, Publisher::Person).await?;
            Ok(Some(outcome.to_string()))
        }
        (None, Some(patience)) => {
            watch::watch(source::connect(&database)?, bucket, patience).await?;
            Ok(None)
        }
        (Some(Command::Verify { number }), _) => {
            let store = bucket.open()?;
            let number = match number {
                Some(number) => number,
                None => store.current().await?.ok_or(ReleaseError::Absent(ReleaseNumber::FIRST))?.number,
            };
            let (_, verified) = store.verify(number).await?;
            Ok(Some(summary::verified(number, verified)))
        }
    }
}
