use indicatif::ProgressBar;
use rayon::prelude::*;
use results_day::{
    source::{SeedPlan, Source, SourceError},
    student::{Student, StudentId, generator::Generator},
};
use tokio::sync::mpsc;

/// Students in one transaction: large enough that a commit costs nothing beside it, small enough that a
/// killed seeder loses a moment's work. At about 200 bytes a student a batch has 4 MB.
const BATCH: u32 = 20_000;

/// Batches that wait for the database while the processors generate the next.
const WAITING: usize = 2;

/// Generates on all cores and loads in id order, so that the greatest id there says how far it came.
pub(crate) async fn load(
    source: &dyn Source,
    plan: SeedPlan,
    there: u32,
    progress: &ProgressBar,
) -> Result<(), SourceError> {
    let (sender, mut batches) = mpsc::channel(WAITING);
    let generating = tokio::task::spawn_blocking(move || generate(plan, there, &sender));
    while let Some(batch) = batches.recv().await {
        let students = batch.len() as u64;
        source.load(batch).await?;
        progress.inc(students);
    }
    // The channel has closed, so the generator has ended: with a panic it would have loaded too little.
    generating.await.unwrap_or_else(|died| std::panic::resume_unwind(died.into_panic()));
    source.finish().await
}

fn generate(plan: SeedPlan, there: u32, batches: &mpsc::Sender<Vec<Student>>) {
    let generator = Generator::new(plan.seed);
    let mut first = there + 1;
    while first <= plan.students {
        let last = plan.students.min(first.saturating_add(BATCH - 1));
        let ids = (first..=last).into_par_iter().filter_map(|number| StudentId::new(number).ok());
        let batch = ids.map(|id| generator.student(id)).collect();
        if batches.blocking_send(batch).is_err() {
            return;
        }
        first = last + 1;
    }
}
