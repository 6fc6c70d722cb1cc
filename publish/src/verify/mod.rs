//! `publish verify`: reads what is published again, and says of everything whether it is as it should be.

mod all;
mod comparison;
mod report;

use std::pin::pin;

use anyhow::bail;
use clap::Args;
use futures::TryStreamExt;
use results_day::{
    progress,
    release::{Manifest, ReleaseError, ReleaseNumber, ReleaseStore},
    source::{self, Source},
};

use comparison::Comparison;
use report::Report;

/// What to verify, and beside what.
#[derive(Debug, Args)]
pub struct Verify {
    /// The release's number [default: the current one]
    number: Option<ReleaseNumber>,

    /// Every release that is kept
    #[arg(long, conflicts_with = "number")]
    all: bool,

    /// Compares with the database, too: whoever has not changed since the release must be the same in both. Without a
    /// URL it is the database that would be published
    #[arg(long, value_name = "URL")]
    database: Option<Option<String>>,
}

/// What was found to be whole, in one line. What is not goes to standard output, a line for each difference, and then
/// this fails. `published` is the database that a publication would read.
pub async fn verify(request: Verify, published: &str, store: &ReleaseStore) -> anyhow::Result<String> {
    let source = match &request.database {
        Some(url) => Some(source::connect(url.as_deref().unwrap_or(published))?),
        None => None,
    };
    if request.all {
        return all::verify_all(store, source.as_deref()).await;
    }
    let number = match request.number {
        Some(number) => number,
        None => store.current().await?.ok_or(ReleaseError::Absent(ReleaseNumber::FIRST))?.number,
    };
    match verify_release(number, store, source.as_deref()).await? {
        (verdict, true) => Ok(verdict),
        (verdict, false) => bail!(verdict),
    }
}

/// What is said of a whole release, and whether it was compared as far as was asked.
async fn verify_release(
    number: ReleaseNumber,
    store: &ReleaseStore,
    source: Option<&dyn Source>,
) -> anyhow::Result<(String, bool)> {
    let manifest = store.manifest(number).await?.ok_or(ReleaseError::Absent(number))?;
    let mut report = Report::of(number);
    let read = read_again(&manifest, store, source, &mut report).await;
    // What was found before something made an end of it was found all the same.
    report.print();
    read?;
    report.into_verdict()
}

async fn read_again(
    manifest: &Manifest,
    store: &ReleaseStore,
    source: Option<&dyn Source>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut comparison = match source {
        Some(source) => Some(Comparison::begin(source, manifest).await?),
        None => None,
    };
    let progress = progress::show("shards verified", manifest.shards.len() as u64, 0);
    let mut shards = pin!(store.inspect(manifest));
    while let Some(mut shard) = shards.try_next().await? {
        report.read += shard.read;
        report.differences.append(std::mem::take(&mut shard.differences));
        if let Some(comparison) = &mut comparison {
            comparison.compare(shard, &mut report.differences).await?;
        }
        progress.inc(1);
    }
    if let Some(comparison) = comparison {
        report.compared = Some(comparison.end(&mut report.differences).await?);
    }
    progress.finish_and_clear();
    Ok(())
}
