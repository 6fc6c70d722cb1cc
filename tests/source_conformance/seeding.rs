//! Seeding: in any order of deaths and restarts, one complete data set or none.

use results_day::{
    changes::Snapshot,
    source::{LookedUp, SeedPlan, Seeded, SourceError},
};

use crate::{Database, PLAN, changed_since, generated_students, id, load, missing, now, seeded};

/// What the error says that a person must act on; any other answer ends the test.
pub(crate) fn unusable<T>(answer: Result<T, SourceError>) -> String {
    match answer.map(drop) {
        Err(SourceError::Unusable(problem) | SourceError::Unlogged(problem)) => problem,
        other => panic!("not refused: {other:?}"),
    }
}

pub(crate) async fn a_seeder_that_died_is_taken_up_where_it_was(database: &dyn Database) {
    let batches = [1..=500, 501..=1_000, 1_001..=1_500, 1_501..=2_000, 2_001..=PLAN.students];
    for there in 0..batches.len() {
        let source = database.source();
        assert_eq!(source.begin(PLAN).await.unwrap(), Seeded::Missing(batches[there..].to_vec()));
        load(&*source, batches[there].clone()).await;
    }
    let source = database.source();
    // Everything is loaded, and nothing is logged yet: that is not complete.
    assert_eq!(missing(&*source).await, []);
    source.finish().await.unwrap();
    assert_eq!(database.source().begin(PLAN).await.unwrap(), Seeded::Complete);
    assert_eq!(crate::reading::everybody(&*source).await, generated_students(1..=PLAN.students));
}

pub(crate) async fn a_batch_that_is_there_already_is_skipped(database: &dyn Database) {
    let [one, other] = [database.source(), database.source()];
    let batches = missing(&*one).await;
    assert_eq!(missing(&*other).await, batches);
    for (place, batch) in batches.iter().enumerate() {
        let (first, second) = if place % 2 == 0 { (&one, &other) } else { (&other, &one) };
        load(&**first, batch.clone()).await;
        load(&**second, batch.clone()).await;
    }
    one.finish().await.unwrap();
    let complete = now(&*one).await;
    // The other seeder does not know yet that all its work is done.
    load(&*other, batches[3].clone()).await;
    other.finish().await.unwrap();
    assert_eq!(changed_since(&*one, &complete).await, [0; 0]);
    assert_eq!(crate::reading::everybody(&*one).await, generated_students(1..=PLAN.students));
}

pub(crate) async fn seeders_at_once_do_each_others_work(database: &dyn Database) {
    let seeders = (0..3).map(|_| {
        let source = database.source();
        tokio::spawn(async move {
            if let Seeded::Missing(batches) = source.begin(SeedPlan { batch: 100, ..PLAN }).await.unwrap() {
                for batches in batches.chunks(source.loads_at_once()) {
                    let loads = batches.iter().map(|batch| load(&*source, batch.clone()));
                    futures::future::join_all(loads).await;
                }
                source.finish().await.unwrap();
            }
        })
    });
    for ended in futures::future::join_all(seeders).await {
        ended.unwrap();
    }
    let source = database.source();
    assert_eq!(source.begin(PLAN).await.unwrap(), Seeded::Complete);
    assert_eq!(changed_since(&*source, &Snapshot::NOTHING).await, [0]);
    assert_eq!(crate::reading::everybody(&*source).await, generated_students(1..=PLAN.students));
}

pub(crate) async fn another_plan_is_refused_at_every_stage(database: &dyn Database) {
    let others = [SeedPlan { seed: 8, ..PLAN }, SeedPlan { students: PLAN.students + 1, ..PLAN }];
    let source = database.source();
    let mut batches = missing(&*source).await.into_iter();
    for loaded in [None, batches.next()] {
        if let Some(batch) = loaded {
            load(&*source, batch).await;
        }
        for other in others {
            let problem = unusable(database.source().begin(other).await);
            assert!(
                problem.contains("is half-way through another data set: --students 2345 --seed 7"),
                "{problem}"
            );
        }
    }
    for batch in batches {
        load(&*source, batch).await;
    }
    source.finish().await.unwrap();
    for other in others {
        let problem = unusable(database.source().begin(other).await);
        assert!(
            problem.contains("holds another data set: --students 2345 --seed 7; give these"),
            "{problem}"
        );
    }
    assert_eq!(source.begin(PLAN).await.unwrap(), Seeded::Complete);
}

pub(crate) async fn what_is_complete_stays_as_it_is(database: &dyn Database) {
    let source = seeded(database).await;
    let before = source.changes_since(&Snapshot::NOTHING).await.unwrap();
    database.edit("UPDATE students SET name = 'Corrected' WHERE id = 5").await;
    for _ in 0..2 {
        let again = database.source();
        assert_eq!(again.begin(PLAN).await.unwrap(), Seeded::Complete);
        again.finish().await.unwrap();
    }
    assert_eq!(source.changes_since(&before.snapshot).await.unwrap().data_set, before.data_set);
    assert_eq!(changed_since(&*source, &before.snapshot).await, [5]);
    let LookedUp { student, .. } = source.student(id(5)).await.unwrap();
    assert_eq!(student.unwrap().name, "Corrected");
}

pub(crate) async fn nothing_is_published_before_the_data_set_is_complete(database: &dyn Database) {
    let source = database.source();
    for batch in missing(&*source).await {
        let problem = unusable(source.snapshot().await);
        assert!(problem.contains("is not complete: a seeder died or is still at work"), "{problem}");
        load(&*source, batch).await;
    }
    unusable(source.snapshot().await);
    source.finish().await.unwrap();
    assert!(source.snapshot().await.is_ok());
}

pub(crate) async fn nothing_but_seeding_works_where_there_is_nothing(database: &dyn Database) {
    let source = database.source();
    assert!(source.snapshot().await.is_err());
    assert!(source.student(id(1)).await.is_err());
    assert!(source.changes_since(&Snapshot::NOTHING).await.is_err());
    assert!(source.load(1..=1, generated_students(1..=1)).await.is_err());
    assert!(source.finish().await.is_err());
    // Nobody created anything on the way.
    assert_eq!(missing(&*source).await.len(), 5);
}

pub(crate) async fn whoever_heard_of_the_data_set_while_it_was_loaded_knows_nothing(database: &dyn Database) {
    let source = database.source();
    for batch in missing(&*source).await {
        load(&*source, batch).await;
    }
    let early = now(&*source).await;
    database.edit("UPDATE students SET name = 'Before the triggers' WHERE id = 5").await;
    source.finish().await.unwrap();
    assert_eq!(changed_since(&*source, &early).await, [0]);
    assert_eq!(changed_since(&*source, &now(&*source).await).await, [0; 0]);
}
