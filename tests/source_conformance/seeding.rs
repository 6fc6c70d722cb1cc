//! Seeding: in any order of deaths and restarts, one complete data set or none.

use results_day::{
    changes::Snapshot,
    source::{SeedPlan, Seeded, SourceError},
};

use crate::{Database, PLAN, changed_since, generated_students, id, now, seeded};

/// What [`SourceError::Unusable`] says; any other answer ends the test.
pub(crate) fn unusable<T>(answer: Result<T, SourceError>) -> String {
    match answer.map(drop) {
        Err(SourceError::Unusable(problem)) => problem,
        other => panic!("not refused: {other:?}"),
    }
}

pub(crate) async fn a_seeder_that_died_is_taken_up_where_it_was(database: &dyn Database) {
    for (there, load) in [(0, 1..=900), (900, 901..=2_000), (2_000, 2_001..=PLAN.students)] {
        let source = database.source();
        assert_eq!(source.begin(PLAN).await.unwrap(), Seeded::UpTo(there));
        source.load(generated_students(load)).await.unwrap();
    }
    let source = database.source();
    // Everything is loaded, and nothing is logged yet: that is not complete.
    assert_eq!(source.begin(PLAN).await.unwrap(), Seeded::UpTo(PLAN.students));
    source.finish().await.unwrap();
    assert_eq!(database.source().begin(PLAN).await.unwrap(), Seeded::Complete);
    assert_eq!(crate::reading::everybody(&*source).await, generated_students(1..=PLAN.students));
}

pub(crate) async fn a_batch_that_is_there_already_is_skipped(database: &dyn Database) {
    let [one, other] = [database.source(), database.source()];
    assert_eq!(one.begin(PLAN).await.unwrap(), Seeded::UpTo(0));
    assert_eq!(other.begin(PLAN).await.unwrap(), Seeded::UpTo(0));
    one.load(generated_students(1..=1_500)).await.unwrap();
    other.load(generated_students(1..=1_400)).await.unwrap();
    other.load(generated_students(1_401..=PLAN.students)).await.unwrap();
    one.load(generated_students(1_501..=PLAN.students)).await.unwrap();
    one.finish().await.unwrap();
    let complete = now(&*one).await;
    // The other seeder does not know yet that all its work is done.
    other.load(generated_students(2_000..=PLAN.students)).await.unwrap();
    other.finish().await.unwrap();
    assert_eq!(changed_since(&*one, &complete).await, [0; 0]);
    assert_eq!(crate::reading::everybody(&*one).await, generated_students(1..=PLAN.students));
}

pub(crate) async fn seeders_at_once_do_each_others_work(database: &dyn Database) {
    let seeders = (0..3).map(|_| {
        let source = database.source();
        tokio::spawn(async move {
            if let Seeded::UpTo(there) = source.begin(PLAN).await.unwrap() {
                for first in (there + 1..=PLAN.students).step_by(200) {
                    source.load(generated_students(first..=PLAN.students.min(first + 199))).await.unwrap();
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
    source.begin(PLAN).await.unwrap();
    for loaded in [0, 1_000] {
        if loaded > 0 {
            source.load(generated_students(1..=loaded)).await.unwrap();
        }
        for other in others {
            let problem = unusable(database.source().begin(other).await);
            assert!(
                problem.contains("is half-way through another data set: --students 2345 --seed 7"),
                "{problem}"
            );
        }
    }
    source.load(generated_students(1_001..=PLAN.students)).await.unwrap();
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
    let (student, _) = source.student(id(5)).await.unwrap();
    assert_eq!(student.unwrap().name, "Corrected");
}

pub(crate) async fn nothing_is_published_before_the_data_set_is_complete(database: &dyn Database) {
    let source = database.source();
    source.begin(PLAN).await.unwrap();
    for loaded in [0, PLAN.students] {
        source.load(generated_students(1..=loaded)).await.unwrap();
        let problem = unusable(source.snapshot().await);
        assert!(problem.contains("is not complete: a seeder died or is still at work"), "{problem}");
    }
    source.finish().await.unwrap();
    assert!(source.snapshot().await.is_ok());
}

pub(crate) async fn nothing_but_seeding_works_where_there_is_nothing(database: &dyn Database) {
    let source = database.source();
    assert!(source.snapshot().await.is_err());
    assert!(source.student(id(1)).await.is_err());
    assert!(source.changes_since(&Snapshot::NOTHING).await.is_err());
    assert!(source.load(generated_students(1..=1)).await.is_err());
    assert!(source.finish().await.is_err());
    // Nobody created anything on the way.
    assert_eq!(source.begin(PLAN).await.unwrap(), Seeded::UpTo(0));
}

pub(crate) async fn whoever_heard_of_the_data_set_while_it_was_loaded_knows_nothing(database: &dyn Database) {
    let source = database.source();
    source.begin(PLAN).await.unwrap();
    source.load(generated_students(1..=PLAN.students)).await.unwrap();
    let early = now(&*source).await;
    database.edit("UPDATE students SET name = 'Before the triggers' WHERE id = 5").await;
    source.finish().await.unwrap();
    assert_eq!(changed_since(&*source, &early).await, [0]);
    assert_eq!(changed_since(&*source, &now(&*source).await).await, [0; 0]);
}
