//! `db-seeder` fills a database with a synthetic nation.

mod load;

use std::{process::ExitCode, time::Instant};

use clap::Parser;
use results_day::{
    progress,
    source::{self, SeedPlan, Seeded},
    student::generator,
};

/// Fills a database with a synthetic nation's exam results.
///
/// The same --seed and --students give the same rows on every machine. A database that is complete is left
/// as it is, one that is half seeded with the same plan is finished, and one that holds anything else is
/// refused.
#[derive(Parser)]
#[command(name = "db-seeder", version)]
struct Arguments {
    /// The database: sqlite:PATH
    #[arg(long, env = "DATABASE_URL", value_name = "URL", default_value = "sqlite:var/results.db")]
    database: String,

    /// How many students; their ids are 1 to this number
    #[arg(long, env = "STUDENTS", value_name = "NUMBER", default_value_t = generator::NATION,
          value_parser = clap::value_parser!(u32).range(1..=999_999_999))]
    students: u32,

    /// Which nation
    #[arg(long, env = "SEED", value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("db-seeder: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<String> {
    let Arguments { database, students, seed } = arguments;
    let started = Instant::now();
    let source = source::connect(database)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let plan = SeedPlan { seed: *seed, students: *students };
    let there = match runtime.block_on(source.begin(plan))? {
        Seeded::Complete => {
            return Ok(format!("{database} holds these {students} students already; nothing to do"));
        }
        Seeded::UpTo(last) => last,
    };
    let progress = progress::show("students seeded", u64::from(*students), u64::from(there));
    runtime.block_on(load::load(source.as_ref(), plan, there, &progress))?;
    progress.finish_and_clear();
    let loaded = students - there;
    let seconds = started.elapsed().as_secs_f64();
    Ok(format!(
        "seeded {loaded} students ({there} were there) into {database} in {seconds:.1} s, {:.0} a second",
        f64::from(loaded) / seconds
    ))
}
