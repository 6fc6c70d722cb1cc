use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use results_day::{log::LogFormat, release::Bucket};

use crate::listen::ListenAddress;

/// Serves the current release, and answers live for what changed since.
///
/// With no flags at all it serves ./var/bucket, with the changes of ./var/results.db.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Arguments {
    /// Where releases are kept: an S3 bucket, such as results or s3://results/prefix, reached as the AWS_*
    /// variables say, or a directory, such as ./var/bucket or file:///srv/bucket [default: ./var/bucket]
    #[arg(long, env = "BUCKET")]
    bucket: Option<Bucket>,

    /// The database: sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/NAME. Without it the server is purely
    /// static [default: sqlite:var/results.db where no bucket is given either]
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database: Option<String>,

    /// The live path's cache: memory: or redis://:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, env = "REDIS_URL", value_name = "URL", default_value = "memory:", hide_env_values = true)]
    pub(crate) cache: String,

    /// Where to listen: ADDRESS:PORT or unix:PATH; may be given more than once
    #[arg(
        long,
        env = "LISTEN",
        value_name = "ADDRESS",
        value_delimiter = ',',
        default_value = "127.0.0.1:8081"
    )]
    pub(crate) listen: Vec<ListenAddress>,

    /// Where health, readiness and metrics are told (/healthz, /readyz, /metrics), and where profiles are taken
    /// (/debug/): for those who run the server
    #[arg(long, env = "ADMIN", value_name = "ADDRESS", default_value = "127.0.0.1:9081")]
    pub(crate) admin: SocketAddr,

    /// This server's own copy of the release, and what it knows of changes
    #[arg(long, env = "CACHE_DIR", value_name = "DIRECTORY", default_value = "var/cache")]
    pub(crate) cache_dir: PathBuf,

    /// How to log: text or json. RUST_LOG says what
    #[arg(long, env = "LOG_FORMAT", value_name = "FORMAT", default_value_t)]
    pub(crate) log_format: LogFormat,
}

impl Arguments {
    /// The bucket, and the database if there is to be one.
    pub(crate) fn bucket_and_database(&self) -> anyhow::Result<(Bucket, Option<String>)> {
        Ok(match (&self.bucket, &self.database) {
            (Some(bucket), database) => (bucket.clone(), database.clone()),
            (None, Some(database)) => ("./var/bucket".parse()?, Some(database.clone())),
            (None, None) => ("./var/bucket".parse()?, Some("sqlite:var/results.db".to_owned())),
        })
    }
}
