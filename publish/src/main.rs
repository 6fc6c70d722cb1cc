//! `publish` renders every result once and commits the lot as a release.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use jiff::Timestamp;
use publish::summary;
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

    /// Shows nobody a result before this instant, such as 2026-11-30T06:00:00Z: sets the embargo of results that were
    /// never visible, or moves it. Every further release inherits it
    #[arg(long, env = "NOT_BEFORE", value_name = "TIME")]
    not_before: Option<Timestamp>,

    /// Where releases are kept: an S3 bucket, such as results or s3://results/prefix, reached as the AWS_*
    /// variables say, or a directory, such as ./var/bucket or file:///srv/bucket
    #[arg(long, env = "BUCKET", global = true, default_value = "./var/bucket")]
    bucket: Bucket,
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
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or("warn".into()))
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("publish: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(arguments: Arguments) -> anyhow::Result<String> {
    let Arguments { command, database, not_before, bucket } = arguments;
    match command {
        None => {
            let source = source::connect(&database)?;
            let outcome =
                publish::publish(source.as_ref(), &bucket.open_to_publish().await?, not_before).await?;
            Ok(outcome.to_string())
        }
        Some(Command::Verify { number }) => {
            let store = bucket.open()?;
            let number = match number {
                Some(number) => number,
                None => store.current().await?.ok_or(ReleaseError::Absent(ReleaseNumber::FIRST))?.number,
            };
            let (_, verified) = store.verify(number).await?;
            Ok(summary::verified(number, verified))
        }
    }
}
