use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, Args, parser::ValueSource};

/// The flags of `publish` that say where it tells how it goes.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Flags {
    /// With --watch: where to tell how it goes, such as 127.0.0.1:9082: /metrics for Prometheus, and /healthz
    #[arg(long, env = "METRICS", value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,

    /// Without --watch: the file in which to tell how it went, for node exporter's textfile collector
    ///
    /// It is written whole when the run ends, also where it fails. Counters go on from what is there, so that one file,
    /// /var/lib/prometheus/node-exporter/publish.prom say, is for all runs on a machine.
    #[arg(long, env = "METRICS_FILE", value_name = "PATH", global = true)]
    metrics_file: Option<PathBuf>,
}

impl Flags {
    /// Where a watcher tells.
    pub fn address(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// Where every other run tells.
    pub fn file(&self) -> Option<&Path> {
        self.metrics_file.as_deref()
    }

    /// What is wrong with these flags where there is to be a watch, or none. One that comes from the environment is
    /// for whom it concerns.
    pub fn misplaced(matches: &ArgMatches, watches: bool) -> Option<&'static str> {
        let given = |flag| matches.value_source(flag) == Some(ValueSource::CommandLine);
        match watches {
            true if given("metrics_file") => {
                Some("--metrics-file is for a run that ends; a watcher tells at --metrics ADDRESS")
            }
            false if given("metrics") => {
                Some("--metrics is for --watch; a run that ends tells in --metrics-file PATH")
            }
            _ => None,
        }
    }
}
