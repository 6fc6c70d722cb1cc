use std::collections::HashMap;

use anyhow::{Context, bail, ensure};
use results_day::{
    release::{AttemptPlan, Manifest, Part, PartReport, ReleaseStore, ShardEntry},
    shard::Width,
};

/// The shards of all reports, given that each part has reported its share of the attempt, all of it and nothing else.
/// Whether the reports are of this attempt was seen when they were read.
pub(super) fn shards_of(
    reports: Vec<PartReport>,
    plan: &AttemptPlan,
    width: Width,
    shares: &[Vec<u32>],
    base: Option<&Manifest>,
) -> anyhow::Result<Vec<ShardEntry>> {
    let base: HashMap<u32, &ShardEntry> =
        base.into_iter().flat_map(|base| &base.shards).map(|shard| (shard.key.prefix, shard)).collect();
    let mut shards = Vec::new();
    for ((report, share), part) in reports.into_iter().zip(shares).zip(Part::all(plan.parts)) {
        let checked = check(&report, plan, part, width, share, &base);
        checked.with_context(|| format!("what part {part} reports to attempt {}", plan.attempt))?;
        shards.extend(report.shards);
    }
    Ok(shards)
}

fn check(
    report: &PartReport,
    plan: &AttemptPlan,
    part: Part,
    width: Width,
    share: &[u32],
    base: &HashMap<u32, &ShardEntry>,
) -> anyhow::Result<()> {
    ensure!(report.is_of(plan, part), "it is of another attempt, or of another part");
    ensure!(report.width == width, "its shards have width {} instead of {width}", report.width);
    let mut prefixes: Vec<u32> = report.shards.iter().map(|shard| shard.key.prefix).collect();
    ensure!(prefixes.is_sorted(), "its shards are out of order");
    prefixes.extend(&report.empty);
    prefixes.sort_unstable();
    ensure!(
        prefixes == share,
        "it is about {} prefixes, which are not the {} that fall to it",
        prefixes.len(),
        share.len()
    );
    for shard in &report.shards {
        let is_own = shard.key.attempt == plan.attempt;
        let is_the_bases = base.get(&shard.key.prefix).is_some_and(|of_base| *of_base == shard);
        ensure!(is_own || is_the_bases, "{} is neither of this attempt nor of the release before", shard.key);
    }
    Ok(())
}

/// Makes sure that every blob of a release is there. The parts have read back what they wrote; this is for a bucket that
/// is another one by now. A listing may lag, so what it does not show is read.
pub(super) async fn are_there(store: &ReleaseStore, manifest: &Manifest) -> anyhow::Result<()> {
    let missing = store.missing(manifest).await?;
    for shard in manifest.shards.iter().filter(|shard| missing.contains(&shard.key)) {
        if let Err(error) = store.shard_bytes(shard).await {
            bail!("a part has reported a shard that cannot be read: {error}");
        }
    }
    Ok(())
}
