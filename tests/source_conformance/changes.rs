//! The change log: exactly who changed, whatever the statement.

use std::collections::{BTreeMap, HashSet};

use results_day::{
    changes::Snapshot,
    source::LookedUp,
    student::{Stream, Student},
};

use crate::{Database, PLAN, changed_since, generated, id, now, of_stream, rows_since, seeded};

/// The statement that enters a student's results.
pub(crate) fn insert_results(student: u32, stream: Stream, marks: [u8; 7]) -> String {
    let marks = marks.map(|mark| mark.to_string()).join(", ");
    format!("INSERT INTO {}_results VALUES ({student}, {marks})", stream.as_str())
}

pub(crate) async fn every_statement_logs_exactly_the_students_it_touches(database: &dyn Database) {
    let source = seeded(database).await;
    let [a, b, c] = of_stream(Stream::NaturalScience);
    let [x] = of_stream(Stream::SocialScience);
    let entered = insert_results(5_000, Stream::SocialScience, [50; 7]);
    let natural = insert_results(x, Stream::NaturalScience, [60; 7]);
    let table: Vec<(String, Vec<u32>)> = vec![
        // Entering, correcting, withholding.
        ("INSERT INTO students VALUES (5000, 'New', 'F', 'S', 'R', 'social_science')".into(), vec![5_000]),
        (entered, vec![5_000]),
        (
            "INSERT INTO students VALUES (5001, 'A', 'F', 'S', 'R', 'social_science'), \
             (5002, 'B', 'M', 'S', 'R', 'natural_science')"
                .into(),
            vec![5_001, 5_002],
        ),
        ("UPDATE students SET name = 'Corrected' WHERE id = 5".into(), vec![5]),
        (format!("UPDATE natural_science_results SET physics = 99 WHERE student_id = {a}"), vec![a]),
        (format!("UPDATE social_science_results SET history = 99 WHERE student_id = {x}"), vec![x]),
        (format!("DELETE FROM natural_science_results WHERE student_id = {a}"), vec![a]),
        ("DELETE FROM social_science_results WHERE student_id = 5000".into(), vec![5_000]),
        ("DELETE FROM students WHERE id = 5000".into(), vec![5_000]),
        // With the results go the student's rows elsewhere, by cascade.
        (format!("DELETE FROM students WHERE id = {b}"), vec![b]),
        // Another id: whoever had it before, and whoever has it now.
        (format!("UPDATE students SET id = 6000 WHERE id = {c}"), vec![c, 6_000]),
        (
            "UPDATE natural_science_results SET student_id = 5002 WHERE student_id = 6000".into(),
            vec![5_002, 6_000],
        ),
        // Another stream.
        (
            format!(
                "BEGIN; DELETE FROM social_science_results WHERE student_id = {x}; \
                 UPDATE students SET stream = 'natural_science' WHERE id = {x}; {natural}; COMMIT"
            ),
            vec![x],
        ),
        // Many at once, and nobody.
        ("UPDATE students SET region = 'R' WHERE id BETWEEN 2001 AND 2004".into(), (2_001..=2_004).collect()),
        ("DELETE FROM students WHERE id IN (2001, 2003, 9999)".into(), vec![2_001, 2_003]),
        ("UPDATE students SET region = 'R' WHERE id = 9999".into(), vec![]),
        ("DELETE FROM natural_science_results WHERE student_id = 9999".into(), vec![]),
        // What is written over itself is a change: it is cheaper to say so than to find out.
        ("UPDATE students SET name = name WHERE id = 7".into(), vec![7]),
        // Upserts, that insert, that update, and that do nothing.
        (
            "INSERT INTO students VALUES (8, 'Upserted', 'F', 'S', 'R', 'natural_science') \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name"
                .into(),
            vec![8],
        ),
        (
            "INSERT INTO students VALUES (5003, 'Upserted', 'F', 'S', 'R', 'natural_science') \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name"
                .into(),
            vec![5_003],
        ),
        (
            "INSERT INTO students VALUES (9, 'X', 'F', 'S', 'R', 'natural_science'), \
             (5004, 'X', 'F', 'S', 'R', 'natural_science') ON CONFLICT DO NOTHING"
                .into(),
            vec![5_004],
        ),
        // Transactions and parts of them that were taken back.
        ("BEGIN; UPDATE students SET name = 'X' WHERE id = 11; ROLLBACK".into(), vec![]),
        ("BEGIN; DELETE FROM students WHERE id > 0; ROLLBACK".into(), vec![]),
        (
            "BEGIN; UPDATE students SET name = 'X' WHERE id = 12; SAVEPOINT s; \
             UPDATE students SET name = 'X' WHERE id IN (12, 13); ROLLBACK TO SAVEPOINT s; \
             UPDATE students SET name = 'X' WHERE id = 14; RELEASE SAVEPOINT s; COMMIT"
                .into(),
            vec![12, 14],
        ),
        // Several changes of one student are one.
        (
            "BEGIN; DELETE FROM students WHERE id = 15; \
             INSERT INTO students VALUES (15, 'Back', 'F', 'S', 'R', 'natural_science'); \
             UPDATE students SET id = 5005 WHERE id = 15; COMMIT"
                .into(),
            vec![15, 5_005],
        ),
    ];
    for (sql, expected) in table {
        let before = now(&*source).await;
        database.edit(&sql).await;
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(changed_since(&*source, &before).await, expected, "{sql}");
    }
    let LookedUp { student, .. } = source.student(id(x)).await.unwrap();
    assert_eq!(student, Some(Student { stream: Stream::NaturalScience, marks: [60; 7], ..generated(x) }));
}

pub(crate) async fn a_change_has_a_token_and_a_transaction_of_its_own(database: &dyn Database) {
    let source = seeded(database).await;
    let mut tokens = HashSet::new();
    let mut transaction = 0;
    for _ in 0..20 {
        database.edit("UPDATE students SET name = 'Corrected' WHERE id IN (5, 6)").await;
        let rows = rows_since(&*source, &Snapshot::NOTHING).await;
        let [(0, _), (5, five), (6, six)] = rows[..] else { panic!("{rows:?}") };
        assert!(five.transaction > transaction && six.transaction > transaction);
        transaction = five.transaction.max(six.transaction);
        tokens.extend([five.token, six.token]);
    }
    // Two rows of one change may share a token; no change shares it with an earlier one.
    assert!(tokens.len() >= 20, "{tokens:?}");
    // Both halves of the 64 bits are used.
    assert!(
        tokens.iter().any(|token| *token > u64::MAX / 2) && tokens.iter().any(|token| *token < u64::MAX / 2)
    );
}

/// Polls and corrections in turn. Every snapshot ever taken must, at the end and on the way, be told of those
/// changes that came after it and of no others.
pub(crate) async fn a_change_is_news_to_exactly_the_snapshots_before_it(database: &dyn Database) {
    let source = seeded(database).await;
    let mut last_change: BTreeMap<u32, usize> = BTreeMap::new();
    let mut snapshots: Vec<(Snapshot, usize)> = Vec::new();
    for step in 0..60 {
        snapshots.push((now(&*source).await, step));
        let number = (step as u32 * 7_919) % 23 + 1;
        database.edit(&format!("UPDATE students SET name = 'Step {step}' WHERE id IN ({number}, 100)")).await;
        last_change.extend([(number, step), (100, step)]);
        for (snapshot, taken) in snapshots.iter().rev().step_by(1 + step / 8) {
            let expected = last_change.iter().filter(|(_, changed)| *changed >= taken);
            let expected: Vec<u32> = expected.map(|(number, _)| *number).collect();
            assert_eq!(
                changed_since(&*source, snapshot).await,
                expected,
                "taken before {taken}, asked after {step}"
            );
        }
    }
    assert_eq!(changed_since(&*source, &now(&*source).await).await, [0; 0]);
}

pub(crate) async fn the_log_keeps_one_row_for_each_student_ever_changed(database: &dyn Database) {
    let source = seeded(database).await;
    for _ in 0..3 {
        database.edit("UPDATE students SET name = 'Corrected' WHERE id > 10").await;
    }
    database.edit("DELETE FROM students WHERE id > 20").await;
    let expected: Vec<u32> = [0].into_iter().chain(11..=PLAN.students).collect();
    assert_eq!(changed_since(&*source, &Snapshot::NOTHING).await, expected);
}
