//! PostgreSQL: transactions that are in flight while a publication or a poll reads, and that commit in any order.

use results_day::{
    changes::{Change, Snapshot},
    source::Source,
    student::Stream,
};

use crate::{
    Database, changed_since, generated, id, now, of_stream, postgres::PostgresDatabase, rows_since, seeded,
};

/// The snapshot of a publication that begins and ends now.
async fn published(source: &dyn Source) -> Snapshot {
    source.snapshot().await.unwrap().origin().snapshot.clone()
}

async fn own_change(source: &dyn Source, student: u32) -> Option<Change> {
    source.student(id(student)).await.unwrap().standing.own
}

#[tokio::test]
async fn transactions_that_commit_in_the_wrong_order_are_both_news_to_a_snapshot_between_them() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let mut first = database.corrector().await;
    let mut second = database.corrector().await;
    // One has written before the publication, the other has no more than its number.
    let number = first.begin().await;
    first.run("UPDATE students SET name = 'First' WHERE id = 5").await;
    let polled = now(&*source).await;
    let reader = source.snapshot().await.unwrap();
    let published = reader.origin().snapshot.clone();
    second.begin().await;
    second.run("UPDATE students SET name = 'Second' WHERE id = 6; COMMIT").await;

    assert_eq!(changed_since(&*source, &published).await, [6]);
    let between = now(&*source).await;
    assert_eq!(changed_since(&*source, &between).await, [0; 0]);
    assert_eq!(source.student(id(5)).await.unwrap().student, Some(generated(5)));
    first.run("UPDATE students SET name = 'First' WHERE id = 7; COMMIT").await;

    assert_eq!(changed_since(&*source, &published).await, [5, 6, 7]);
    assert_eq!(changed_since(&*source, &polled).await, [5, 6, 7]);
    assert_eq!(changed_since(&*source, &between).await, [5, 7]);
    assert_eq!(changed_since(&*source, &now(&*source).await).await, [0; 0]);
    assert!(number < own_change(&*source, 6).await.unwrap().transaction);
    assert_eq!(own_change(&*source, 5).await.unwrap().transaction, number);
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let reading = tokio::spawn(reader.read(vec![5..=7], sender));
    assert_eq!(receiver.recv().await.unwrap(), [generated(5), generated(6), generated(7)]);
    reading.await.unwrap().unwrap();
}

#[tokio::test]
async fn two_writers_of_one_student_are_news_one_after_the_other_in_both_orders() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let students: [u32; 2] = of_stream(Stream::NaturalScience);
    for (older_first, student) in [true, false].into_iter().zip(students) {
        let (mut older, mut younger) = (database.corrector().await, database.corrector().await);
        let numbers = [older.begin().await, younger.begin().await];
        let before = [now(&*source).await, published(&*source).await];
        let ((mut first, first_number), (mut second, second_number)) = if older_first {
            ((older, numbers[0]), (younger, numbers[1]))
        } else {
            ((younger, numbers[1]), (older, numbers[0]))
        };
        // They write to different tables, so that it is the log alone where they meet.
        first.run(&format!("UPDATE students SET name = 'X' WHERE id = {student}")).await;
        let pid = second.pid;
        let waiting = tokio::spawn(async move {
            let sql = format!("UPDATE natural_science_results SET physics = 1 WHERE student_id = {student}");
            second.run(&sql).await;
            second
        });
        first.until_waiting(pid).await;
        let meanwhile = published(&*source).await;
        first.run("COMMIT").await;
        let mut second = waiting.await.unwrap();

        let change = own_change(&*source, student).await.unwrap();
        assert_eq!(change.transaction, first_number);
        let between = [now(&*source).await, published(&*source).await];
        second.run("COMMIT").await;
        let last = own_change(&*source, student).await.unwrap();
        // The number may have become a smaller one: it says who, and not when.
        assert_eq!(last.transaction, second_number);
        assert_ne!(last.token, change.token);
        for snapshot in before.iter().chain(&between).chain([&meanwhile]) {
            assert_eq!(rows_since(&*source, snapshot).await, [(student, last)], "{snapshot}");
        }
        assert_eq!(changed_since(&*source, &now(&*source).await).await, [0; 0]);
    }
}

#[tokio::test]
async fn a_writer_at_work_during_two_publications_is_news_to_both() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let (mut long, mut never) = (database.corrector().await, database.corrector().await);
    long.begin().await;
    never.begin().await;
    never.run("UPDATE students SET name = 'Never' WHERE id = 7").await;
    let one = published(&*source).await;
    database.edit("UPDATE students SET name = 'Short' WHERE id = 6").await;
    let other = published(&*source).await;
    long.run("UPDATE students SET name = 'Long' WHERE id = 5").await;
    database.edit("UPDATE students SET name = 'Short' WHERE id = 8").await;
    assert_eq!(changed_since(&*source, &other).await, [8]);
    long.run("COMMIT").await;
    never.run("ROLLBACK").await;
    assert_eq!(changed_since(&*source, &one).await, [5, 6, 8]);
    assert_eq!(changed_since(&*source, &other).await, [5, 8]);
    assert_eq!(changed_since(&*source, &published(&*source).await).await, [0; 0]);
}

#[tokio::test]
async fn a_prepared_transaction_is_news_when_it_is_committed_and_never_when_it_is_rolled_back() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let name = database.name();
    for (student, gid) in [(5, "kept"), (6, "dropped")] {
        let update = format!("UPDATE students SET name = 'Prepared' WHERE id = {student}");
        database.edit(&format!("BEGIN; {update}; PREPARE TRANSACTION '{name}_{gid}'")).await;
    }
    let snapshots = [now(&*source).await, published(&*source).await];
    database.edit("UPDATE students SET name = 'Later' WHERE id = 7").await;
    assert_eq!(changed_since(&*source, &snapshots[0]).await, [7]);
    let later = published(&*source).await;
    assert_eq!(source.student(id(5)).await.unwrap().student, Some(generated(5)));

    database.edit(&format!("COMMIT PREPARED '{name}_kept'")).await;
    database.edit(&format!("ROLLBACK PREPARED '{name}_dropped'")).await;
    assert_eq!(source.student(id(5)).await.unwrap().student.unwrap().name, "Prepared");
    for snapshot in &snapshots {
        assert_eq!(changed_since(&*source, snapshot).await, [5, 7]);
    }
    assert_eq!(changed_since(&*source, &later).await, [5]);
}

#[tokio::test]
async fn what_a_savepoint_takes_back_leaves_the_log_as_it_was() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    database.edit("UPDATE students SET name = 'Corrected' WHERE id = 5").await;
    let corrected = own_change(&*source, 5).await.unwrap();
    let before = published(&*source).await;
    database
        .edit(
            "BEGIN; SAVEPOINT s; UPDATE students SET name = 'X' WHERE id IN (5, 7); ROLLBACK TO SAVEPOINT s; \
             UPDATE students SET name = 'Y' WHERE id = 6; \
             DO $$ BEGIN \
               BEGIN DELETE FROM students WHERE id = 8; RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL; END; \
               UPDATE students SET name = 'Y' WHERE id = 9; \
             END $$; COMMIT",
        )
        .await;
    assert_eq!(changed_since(&*source, &before).await, [6, 9]);
    assert_eq!(own_change(&*source, 5).await, Some(corrected));
    for student in [7, 8] {
        assert_eq!(own_change(&*source, student).await, None);
        assert_eq!(source.student(id(student)).await.unwrap().student, Some(generated(student)));
    }
    // The transaction has one number, whichever part of it wrote.
    let [six, nine] = [own_change(&*source, 6).await.unwrap(), own_change(&*source, 9).await.unwrap()];
    assert_eq!(six.transaction, nine.transaction);
}

#[tokio::test]
async fn a_writer_in_repeatable_read_who_meets_another_on_the_log_succeeds_on_the_second_try() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let [student] = of_stream(Stream::NaturalScience);
    let mut writer = database.corrector().await;
    // The other's row of the log is the student's first, and then one that was there before.
    for (isolation, mark) in
        [("REPEATABLE READ", 1), ("REPEATABLE READ", 2), ("SERIALIZABLE", 3), ("SERIALIZABLE", 4)]
    {
        let before = published(&*source).await;
        let begin = format!("BEGIN ISOLATION LEVEL {isolation}; SELECT count(*) FROM data_set");
        writer.run(&begin).await;
        database.edit(&format!("UPDATE students SET name = 'Mark {mark}' WHERE id = {student}")).await;
        let update =
            format!("UPDATE natural_science_results SET physics = {mark} WHERE student_id = {student}");
        assert_eq!(writer.try_to(&update).await, Err("40001".to_owned()), "{isolation}");
        writer.run("ROLLBACK").await;
        let others = own_change(&*source, student).await.unwrap();
        assert_eq!(rows_since(&*source, &before).await, [(student, others)]);

        writer.run(&format!("{begin}; {update}; COMMIT")).await;
        let own = own_change(&*source, student).await.unwrap();
        assert!(own.transaction > others.transaction && own.token != others.token);
        assert_eq!(rows_since(&*source, &before).await, [(student, own)]);
        let now_has = source.student(id(student)).await.unwrap().student.unwrap();
        assert_eq!((now_has.name, now_has.marks[4]), (format!("Mark {mark}"), mark));
    }
}
