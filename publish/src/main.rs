//! `publish` renders every result once and commits the lot as a release.

mod pipeline;
mod plan;
mod publication;
mod render;
mod summary;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use results_day::{release::Bucket, source};

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
}

#[derive(Subcommand)]
enum Command {
    /// Reads a whole release again, checks every blob, frame, document and count, and names all that is wrong
    Verify(verify::Verify),
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
    let Arguments { command, database, bucket } = arguments;
    match command {
        None => {
            let source = source::connect(&database)?;
            let outcome = publication::publish(source.as_ref(), &bucket.open_to_publish().await?).await?;
            Ok(outcome.to_string())
        }
        Some(Command::Verify(request)) => verify::verify(request, &database, &bucket.open()?).await,
    }
}
