//! Reading: whole ranges from a snapshot, and one student as of now.

use std::{
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use results_day::{
    changes::{Snapshot, Standing},
    source::{Connections, LookedUp, Source, SourceError},
    student::{Stream, Student},
};
use tokio::sync::mpsc;

use crate::{Database, PLAN, generated, generated_students, id, of_stream, rows_since, seeded};

/// The batches that a new snapshot gives for these ranges.
pub(crate) async fn read(
    source: &dyn Source,
    ranges: Vec<RangeInclusive<u32>>,
) -> Result<Vec<Vec<Student>>, SourceError> {
    let (sender, mut receiver) = mpsc::channel(1);
    let reading = tokio::spawn(source.snapshot().await?.read(ranges, sender));
    let mut batches = Vec::new();
    while let Some(batch) = receiver.recv().await {
        batches.push(batch);
    }
    reading.await.unwrap()?;
    Ok(batches)
}

pub(crate) async fn everybody(source: &dyn Source) -> Vec<Student> {
    read(source, vec![1..=999_999_999]).await.unwrap().concat()
}

pub(crate) async fn students_are_those_that_the_generator_made(database: &dyn Database) {
    let source = seeded(database).await;
    assert_eq!(everybody(&*source).await, generated_students(1..=PLAN.students));
    for number in [1, 2, 1_000, PLAN.students] {
        let LookedUp { student, .. } = source.student(id(number)).await.unwrap();
        assert_eq!(student, Some(generated(number)));
    }
}

pub(crate) async fn ranges_are_read_one_batch_each_in_the_order_they_are_asked_in(database: &dyn Database) {
    let source = seeded(database).await;
    let ranges = vec![
        1_000..=1_999,
        2_000..=2_999,
        3_000..=3_999, // Nobody is there.
        1..=999,
        5..=5,
        #[expect(clippy::reversed_empty_ranges, reason = "a range without ids is a range without students")]
        {
            9..=8
        },
        5..=6, // Asked for twice.
        999_999_999..=999_999_999,
    ];
    let batches = read(&*source, ranges.clone()).await.unwrap();
    assert_eq!(batches.len(), ranges.len());
    for (range, batch) in ranges.into_iter().zip(batches) {
        let expected = range.clone().filter(|number| (1..=PLAN.students).contains(number));
        assert_eq!(batch, generated_students(expected), "{range:?}");
    }
    assert_eq!(read(&*source, Vec::new()).await.unwrap(), Vec::<Vec<Student>>::new());
}

pub(crate) async fn a_reader_whose_batches_nobody_takes_ends_without_an_error(database: &dyn Database) {
    let source = seeded(database).await;
    let ranges = || (0..2_000).map(|_| 1..=100).collect::<Vec<_>>();

    let (sender, receiver) = mpsc::channel(1);
    drop(receiver);
    source.snapshot().await.unwrap().read(ranges(), sender).await.unwrap();

    let (sender, mut receiver) = mpsc::channel(1);
    let reading = tokio::spawn(source.snapshot().await.unwrap().read(ranges(), sender));
    assert_eq!(receiver.recv().await.unwrap().len(), 100);
    drop(receiver);
    reading.await.unwrap().unwrap();
    // The database is free again for whoever writes.
    database.edit("UPDATE students SET name = 'Corrected' WHERE id = 5").await;
}

pub(crate) async fn a_census_counts_the_students_of_each_thousand(database: &dyn Database) {
    let source = seeded(database).await;
    let census = async || source.snapshot().await.unwrap().census().await.unwrap();
    assert_eq!(census().await, [(0, 999), (1, 1_000), (2, 346)]);
    database.edit("DELETE FROM students WHERE id BETWEEN 1000 AND 1999").await;
    database.edit("UPDATE students SET id = 900000000 WHERE id = 1").await;
    assert_eq!(census().await, [(0, 998), (2, 346), (900_000, 1)]);
}

pub(crate) async fn a_student_is_read_with_the_standing_of_the_log(database: &dyn Database) {
    let source = seeded(database).await;
    let LookedUp { data_set, student, standing: seeded } = source.student(id(5)).await.unwrap();
    assert_eq!(data_set, source.changes_since(&Snapshot::NOTHING).await.unwrap().data_set);
    assert_eq!(student, Some(generated(5)));
    assert_eq!(seeded.own, None);
    assert_eq!(rows_since(&*source, &Snapshot::NOTHING).await, [(0, seeded.everything.unwrap())]);

    database.edit("UPDATE students SET name = 'Corrected' WHERE id = 5").await;
    let LookedUp { student, standing: corrected, .. } = source.student(id(5)).await.unwrap();
    assert_eq!(student, Some(Student { name: "Corrected".to_owned(), ..generated(5) }));
    let rows = rows_since(&*source, &Snapshot::NOTHING).await;
    assert_eq!(rows, [(0, seeded.everything.unwrap()), (5, corrected.own.unwrap())]);
    assert_eq!(corrected.everything, seeded.everything);
    // Nobody else's standing has moved, and that of those who are not there is no other.
    for number in [4, 6, PLAN.students + 1, 999_999_999] {
        assert_eq!(source.student(id(number)).await.unwrap().standing, seeded, "{number}");
    }
}

pub(crate) async fn a_student_without_results_is_nowhere(database: &dyn Database) {
    let source = seeded(database).await;
    let [natural] = of_stream(Stream::NaturalScience);
    let [social] = of_stream(Stream::SocialScience);
    let absent = PLAN.students + 1;
    assert_eq!(source.student(id(absent)).await.unwrap().student, None);

    database.edit(&format!("DELETE FROM natural_science_results WHERE student_id = {natural}")).await;
    // The results that are there are of a stream which is not the student's.
    database.edit(&format!("UPDATE students SET stream = 'natural_science' WHERE id = {social}")).await;
    for withheld in [natural, social] {
        let LookedUp { student, standing, .. } = source.student(id(withheld)).await.unwrap();
        assert_eq!(student, None);
        assert!(standing.own.is_some() && standing != Standing::default());
    }
    let rest = (1..=PLAN.students).filter(|number| ![natural, social].contains(number));
    assert_eq!(everybody(&*source).await, generated_students(rest));
}

pub(crate) async fn connections_are_told_of_and_idle_when_nobody_asks(database: &dyn Database) {
    let source = database.source();
    let Connections { idle, in_use, most } = source.connections();
    assert_eq!((idle, in_use), (0, 0), "nothing is asked before somebody does");
    let source = seeded(database).await;
    let asked = (1..=20).map(|number| source.student(id(number)));
    futures::future::try_join_all(asked).await.unwrap();
    source.changes_since(&Snapshot::NOTHING).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let connections = source.connections();
        assert_eq!(connections.most, most);
        assert!(connections.idle + connections.in_use <= most, "{connections:?}");
        // A connection is given back behind the caller's back.
        if connections.in_use == 0 && connections.idle > 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{connections:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
