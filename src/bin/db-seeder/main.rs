//! `db-seeder` fills a database with a synthetic nation.

mod load;
mod metrics;
mod preload;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Instant};

use clap::Parser;
use results_day::{
    log::{self, LogFormat},
    private, progress,
    source::{self, SeedPlan, Seeded, Source},
    student::generator,
};

use metrics::Done;

/// Fills a database with a synthetic nation's exam results.
///
/// The same --seed and --students give the same rows on every machine. A database that is complete is left
/// as it is, one that is half seeded with the same plan is finished, and one that holds anything else is
/// refused. Once the database is complete the cache is filled from it, as far as it is not filled yet.
///
/// With --tables-only it fills nothing: import the results into the tables, in one transaction or before the first
/// publication.
#[derive(Parser)]
#[command(name = "db-seeder", version)]
struct Arguments {
    /// The database: sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/NAME
    #[arg(
        long,
        env = "DATABASE_URL",
        value_name = "URL",
        default_value = "sqlite:var/results.db",
        hide_env_values = true
    )]
    database: String,

    /// The cache to fill, if any: redis://:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, env = "REDIS_URL", value_name = "URL", hide_env_values = true)]
    cache: Option<String>,

    /// How many students; their ids are 1 to this number
    #[arg(long, env = "STUDENTS", value_name = "NUMBER", default_value_t = generator::NATION,
          value_parser = clap::value_parser!(u32).range(1..=999_999_999))]
    students: u32,

    /// Which nation
    #[arg(long, env = "SEED", value_name = "NUMBER", default_value_t = 1)]
    seed: u64,

    /// Creates the tables and their change log and no student, for results of one's own
    #[arg(long, conflicts_with = "cache")]
    tables_only: bool,

    /// The file in which to tell how it went, for node exporter's textfile collector
    ///
    /// It is written whole when the run ends, also where it fails. Counters go on from what is there.
    #[arg(long, env = "METRICS_FILE", value_name = "PATH")]
    metrics_file: Option<PathBuf>,

    /// How to log: text or json. RUST_LOG says what
    #[arg(long, env = "LOG_FORMAT", value_name = "FORMAT", default_value_t)]
    log_format: LogFormat,
}

/// Students in one transaction: large enough that its round trips cost little beside it, small enough that a killed
/// seeder loses a moment's work. At about 200 bytes a student a batch has 10 MB.
const BATCH: u32 = 50_000;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let log_format = arguments.log_format;
    log_format.start(log::QUIET);
    private::leave_no_core();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log_format.failed("db-seeder", &error);
            ExitCode::FAILURE
        }
    }
}

/// Seeds, and tells of it where that was asked for, also where it failed.
#[tokio::main]
async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let path = arguments.metrics_file.clone();
    let done = Arc::new(Done::default());
    let ran = fill(arguments, &done).await;
    // What was done is done, whether or not it can be told of.
    if let Some(path) = path
        && let Err(error) = done.write(ran.is_ok(), &path)
    {
        tracing::error!(%error, file = %path.display(), "how the run went could not be written down");
    }
    ran
}

async fn fill(arguments: Arguments, done: &Done) -> anyhow::Result<()> {
    let Arguments { database, cache, students, seed, tables_only, .. } = arguments;
    let source = source::connect(&database)?;
    let started = Instant::now();
    if tables_only {
        return make_tables(source.as_ref(), done).await.map(|said| println!("{said}"));
    }
    let filled = fill_database(source.as_ref(), SeedPlan { seed, students, batch: BATCH }, done).await;
    done.loading_took(started.elapsed());
    println!("{}", filled?);
    // The cache inside each server is nobody else's to fill.
    if let Some(cache) = cache.filter(|cache| cache != "memory:") {
        let started = Instant::now();
        let filled = fill_cache(source.as_ref(), &cache, done).await;
        done.caching_took(started.elapsed());
        println!("{}", filled?);
    }
    Ok(())
}

async fn fill_database(source: &dyn Source, plan: SeedPlan, done: &Done) -> anyhow::Result<String> {
    let started = Instant::now();
    let (database, students) = (source.place(), plan.students);
    let Seeded::Missing(missing) = source.begin(plan).await? else {
        return Ok(format!("{database} holds these {students} students already; nothing to do"));
    };
    let loading: u32 = missing.iter().map(|batch| batch.end() - batch.start() + 1).sum();
    let there = students - loading;
    let progress = progress::show("students seeded", u64::from(students), u64::from(there));
    load::load(source, plan.seed, missing, &progress, done).await?;
    progress.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    Ok(format!(
        "seeded {loading} students ({there} were there) into {database} in {seconds:.1} s, {:.0} a second",
        f64::from(loading) / seconds
    ))
}

/// A nation of nobody: what is imported into it is a change like any other, and may be published at once.
async fn make_tables(source: &dyn Source, done: &Done) -> anyhow::Result<String> {
    let nobody = SeedPlan { seed: 0, students: 0, batch: BATCH };
    let said = match source.begin(nobody).await? {
        Seeded::Complete => "has its tables already; nothing to do",
        Seeded::Missing(none) => {
            load::load(source, nobody.seed, none, &indicatif::ProgressBar::hidden(), done).await?;
            "has its tables, which are empty"
        }
    };
    Ok(format!("{} {said}", source.place()))
}

async fn fill_cache(source: &dyn Source, url: &str, done: &Done) -> anyhow::Result<String> {
    Ok(match preload::preload(source, url, done).await? {
        preload::Outcome::Complete => "the cache holds everybody already; nothing to do".to_owned(),
        preload::Outcome::Loaded { documents, there, elapsed } => format!(
            "cached {documents} documents ({there} were there) in {:.1} s, {:.0} a second",
            elapsed.as_secs_f64(),
            documents as f64 / elapsed.as_secs_f64()
        ),
    })
}
