use std::ops::RangeInclusive;

use futures::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use rayon::prelude::*;
use results_day::{
    source::{Source, SourceError},
    student::{Student, StudentId, generator::Generator},
};

use crate::metrics::Done;

/// Generates the missing batches on all cores and loads them, and then declares the data set complete.
pub(crate) async fn load(
    source: &dyn Source,
    seed: u64,
    missing: Vec<RangeInclusive<u32>>,
    progress: &ProgressBar,
    done: &Done,
) -> Result<(), SourceError> {
    stream::iter(missing)
        .map(async |batch| {
            let students = generate(seed, batch.clone()).await;
            let loaded = students.len() as u64;
            source.load(batch, students).await?;
            done.loaded(loaded);
            progress.inc(loaded);
            Ok::<_, SourceError>(())
        })
        .buffered(source.loads_at_once())
        .try_collect::<Vec<_>>()
        .await?;
    source.finish().await
}

async fn generate(seed: u64, batch: RangeInclusive<u32>) -> Vec<Student> {
    let generate = move || {
        let generator = Generator::new(seed);
        let ids = batch.into_par_iter().filter_map(|number| StudentId::new(number).ok());
        ids.map(|id| generator.student(id)).collect()
    };
    // With a panic it would load too little.
    tokio::task::spawn_blocking(generate)
        .await
        .unwrap_or_else(|died| std::panic::resume_unwind(died.into_panic()))
}
