//! Snapshots: one instant to publish from, and what proves later which database it was an instant of.

use results_day::source::{LookedUp, Origin};
use tokio::sync::mpsc;

use crate::{Database, PLAN, changed_since, generated_students, now, seeded};

pub(crate) async fn a_reader_sees_nothing_that_was_committed_after_its_snapshot(database: &dyn Database) {
    let source = seeded(database).await;
    database.edit("UPDATE students SET name = 'Before' WHERE id = 4").await;
    let mut reader = source.snapshot().await.unwrap();
    let origin = reader.origin().clone();
    database.edit("UPDATE students SET name = 'After' WHERE id IN (4, 5)").await;
    database.edit("DELETE FROM students WHERE id = 6").await;
    database.edit("INSERT INTO students VALUES (5000, 'New', 'F', 'S', 'R', 'social_science')").await;

    assert_eq!(reader.census().await.unwrap(), [(0, 999), (1, 1_000), (2, 346)]);
    let (sender, mut receiver) = mpsc::channel(1);
    let reading = tokio::spawn(reader.read(vec![1..=9_999], sender));
    let mut expected = generated_students(1..=PLAN.students);
    expected[3].name = "Before".to_owned();
    assert_eq!(receiver.recv().await.unwrap(), expected);
    reading.await.unwrap().unwrap();

    // What the reader did not see is what changed since, and nothing of what it saw is.
    assert_eq!(changed_since(&*source, &origin.snapshot).await, [4, 5, 6, 5_000]);
    for number in [4, 5, 6, 5_000] {
        let LookedUp { standing, .. } = source.student(crate::id(number)).await.unwrap();
        assert!(!standing.seen_by(&origin.snapshot), "{number}");
    }
    assert!(source.student(crate::id(7)).await.unwrap().standing.seen_by(&origin.snapshot));
}

pub(crate) async fn a_release_is_held_by_the_data_set_it_was_read_from_and_by_no_other(
    database: &dyn Database,
) {
    let source = seeded(database).await;
    let origin = source.snapshot().await.unwrap().origin().clone();
    assert!(source.holds(&origin).await.unwrap());
    database.edit("UPDATE students SET name = 'Corrected' WHERE id = 5").await;
    assert!(database.source().holds(&origin).await.unwrap());
    for other in [
        Origin { data_set: "0".repeat(32), ..origin.clone() },
        Origin { token: "0".repeat(16), ..origin.clone() },
        Origin { token: String::new(), ..origin },
    ] {
        assert!(!source.holds(&other).await.unwrap(), "{other:?}");
    }
}

pub(crate) async fn each_snapshot_has_a_token_of_its_own(database: &dyn Database) {
    let source = seeded(database).await;
    let one = source.snapshot().await.unwrap();
    let other = source.snapshot().await.unwrap();
    assert_ne!(one.origin().token, other.origin().token);
    assert_eq!(one.origin().data_set, other.origin().data_set);
    assert_eq!(one.origin().system, other.origin().system);
    for origin in [one.origin(), other.origin()] {
        assert!(source.holds(origin).await.unwrap());
        assert_eq!(origin.data_set, source.changes_since(&origin.snapshot).await.unwrap().data_set);
    }
}

pub(crate) async fn taking_a_snapshot_changes_nothing(database: &dyn Database) {
    let source = seeded(database).await;
    let before = now(&*source).await;
    let reader = source.snapshot().await.unwrap();
    assert_eq!(changed_since(&*source, &before).await, [0; 0]);
    assert_eq!(changed_since(&*source, &reader.origin().snapshot).await, [0; 0]);
}
