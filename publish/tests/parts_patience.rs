//! Proves that whoever publishes in parts waits for the others, and not for ever.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "each test program uses its own part of this")]
#[path = "../../tests/support/servers/postgres.rs"]
mod postgres;
#[allow(dead_code, reason = "each test program uses its own part of this")]
#[path = "../../tests/support/servers/process.rs"]
mod process;

use std::{sync::Arc, time::Duration};

use object_store::memory::InMemory;
use postgres::Postgres;
use publish::{Publisher, metrics::Work, parts, summary::Outcome};
use results_day::{
    release::{Part, ReleaseStore, RunName},
    source::{self, SeedPlan, Seeded, Source},
    student::{StudentId, generator::Generator},
};

/// Nobody whom it is waited for comes.
const PATIENCE: Duration = Duration::from_millis(300);

async fn seeded(cluster: &Postgres) -> Arc<dyn Source> {
    let source = source::connect(&cluster.database()).unwrap();
    let plan = SeedPlan { seed: 1, students: 100, batch: 100 };
    let nation = Generator::new(plan.seed);
    let Seeded::Missing(batches) = source.begin(plan).await.unwrap() else { panic!("seeded already") };
    for batch in batches {
        let students = batch.clone().map(|number| nation.student(StudentId::new(number).unwrap()));
        source.load(batch, students.collect()).await.unwrap();
    }
    source.finish().await.unwrap();
    source
}

#[tokio::test]
async fn a_committer_without_parts_and_a_part_without_a_committer_say_who_is_missing() {
    let cluster = Postgres::start();
    let source = seeded(&cluster).await;
    let store = ReleaseStore::new(Arc::new(InMemory::new()), "memory".to_owned());
    let work = Work::default();
    let part: Part = "0/2".parse().unwrap();
    let run: RunName = "a".parse().unwrap();
    let commit = || parts::commit(&*source, &store, &run, 2, None, PATIENCE, &work);
    let contribute = || parts::contribute(&*source, &store, &run, part, PATIENCE, &work);

    let error = commit().await.unwrap_err().to_string();
    assert!(
        error.starts_with("parts 0/2, 1/2 have not reported for 0.3 s; start publish --run a --part"),
        "{error}"
    );
    let error = contribute().await.unwrap_err().to_string();
    assert!(
        error.starts_with("nobody has committed what part 0/2 is for within 0.3 s; run publish --run a"),
        "{error}"
    );
    assert_eq!(store.current().await.unwrap(), None, "half of a publication is none");

    // Where all is published, nobody is missed.
    publish::publish(&*source, &store, Publisher::Person { not_before: None }, &work).await.unwrap();
    assert!(matches!(commit().await.unwrap(), Outcome::Unchanged(_)));
    assert_eq!(
        contribute().await.unwrap().to_string(),
        "part 0/2: run a has found release 1 up to date; another publication needs another --run"
    );
}
