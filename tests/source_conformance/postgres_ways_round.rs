//! PostgreSQL: ways round the change log that lead through it all the same.

use results_day::{
    source,
    student::{Stream, StudentId},
};

use crate::{
    Database, changed_since, generated, id, now, of_stream,
    postgres::{Corrector, PostgresDatabase},
    rows_since, seeded,
};

const NEW: &str = "'New', 'F', 'S', 'R', 'natural_science'";

#[tokio::test]
async fn a_replication_role_does_not_slip_past_the_log() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let [natural] = of_stream(Stream::NaturalScience);
    let mut replica = database.corrector().await;
    replica.run("SET session_replication_role = replica").await;
    for (sql, expected) in [
        (format!("INSERT INTO students VALUES (5000, {NEW})"), vec![5_000]),
        ("UPDATE students SET name = 'X' WHERE id IN (5, 6)".to_owned(), vec![5, 6]),
        // In this role nothing cascades.
        (format!("DELETE FROM students WHERE id = {natural}"), vec![natural]),
        (format!("DELETE FROM natural_science_results WHERE student_id = {natural}"), vec![natural]),
        ("TRUNCATE social_science_results".to_owned(), vec![0]),
    ] {
        let before = now(&*source).await;
        replica.run(&sql).await;
        assert_eq!(changed_since(&*source, &before).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn a_role_that_may_only_correct_marks_logs_them_and_cannot_touch_the_log() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let [natural] = of_stream(Stream::NaturalScience);
    // Roles belong to the whole cluster.
    let role = format!("corrector_of_{}", database.name());
    database
        .edit(&format!(
            "CREATE ROLE {role} LOGIN; CREATE SCHEMA other AUTHORIZATION {role}; \
             ALTER ROLE {role} SET search_path = other; \
             GRANT SELECT, UPDATE ON natural_science_results TO {role}"
        ))
        .await;
    let mut corrector = Corrector::at(&database.url.replace("postgres@", &format!("{role}@"))).await;
    let update = |mark: u8| {
        format!("UPDATE public.natural_science_results SET physics = {mark} WHERE student_id = {natural}")
    };
    let before = now(&*source).await;
    corrector.run(&update(1)).await;
    assert_eq!(changed_since(&*source, &before).await, [natural]);

    // Its own tables and functions of our names, temporary or not, stand in for nothing.
    corrector
        .run(
            "CREATE TABLE changes (student_id integer PRIMARY KEY, changed xid8, token bigint); \
             CREATE FUNCTION log_changes(ids integer[]) RETURNS void LANGUAGE sql AS 'SELECT NULL'; \
             CREATE FUNCTION gen_random_uuid() RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid'; \
             CREATE TEMPORARY TABLE changes (student_id integer PRIMARY KEY, changed xid8, token bigint); \
             CREATE TEMPORARY TABLE new_rows (student_id integer); \
             CREATE TEMPORARY TABLE old_rows (student_id integer); \
             SET search_path = pg_temp, other, public, pg_catalog",
        )
        .await;
    let before = now(&*source).await;
    corrector.run(&update(2)).await;
    assert_eq!(changed_since(&*source, &before).await, [natural]);
    for theirs in ["pg_temp.changes", "other.changes"] {
        assert_eq!(corrector.ask(&format!("SELECT count(*) FROM {theirs}")).await, "0", "{theirs}");
    }
    for forbidden in [
        "DELETE FROM public.changes",
        "UPDATE public.changes SET token = 0",
        "SELECT * FROM public.changes",
        "TRUNCATE public.natural_science_results",
        "ALTER TABLE public.natural_science_results DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
    ] {
        assert_eq!(corrector.try_to(forbidden).await, Err("42501".to_owned()), "{forbidden}");
    }
    assert_eq!(source.student(id(natural)).await.unwrap().student.unwrap().marks[4], 2);
}

#[tokio::test]
async fn another_search_path_leads_the_source_to_no_other_tables() {
    let database = PostgresDatabase::new();
    let _seeded = seeded(&database).await;
    database
        .edit(&format!(
            "CREATE SCHEMA other; CREATE TABLE other.students (id integer); \
             CREATE TABLE other.changes (LIKE public.changes INCLUDING ALL); \
             ALTER DATABASE {} SET search_path = other",
            database.name()
        ))
        .await;
    let source = database.source();
    let before = source.snapshot().await.unwrap().origin().snapshot.clone();
    database.edit("UPDATE public.students SET name = 'Corrected' WHERE id = 5").await;
    assert_eq!(changed_since(&*source, &before).await, [5]);
    assert_eq!(source.student(id(5)).await.unwrap().student.unwrap().name, "Corrected");
    assert_eq!(source.student(id(6)).await.unwrap().student, Some(generated(6)));
}

#[tokio::test]
async fn what_is_copied_in_is_logged() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let mut corrector = database.corrector().await;
    for (table, rows, expected) in [
        ("students", "5002,A,F,S,R,natural_science\n5001,B,M,S,R,social_science\n", vec![5_001, 5_002]),
        ("natural_science_results", "5002,1,2,3,4,5,6,7\n", vec![5_002]),
        ("social_science_results", "5001,7,6,5,4,3,2,1\n", vec![5_001]),
        ("students", "", vec![]),
    ] {
        let before = now(&*source).await;
        let copy = format!("COPY {table} FROM STDIN (FORMAT csv)");
        let mut copy = corrector.connection.copy_in_raw(&copy).await.unwrap();
        copy.send(rows.as_bytes()).await.unwrap();
        copy.finish().await.unwrap();
        assert_eq!(changed_since(&*source, &before).await, expected, "{table}");
    }
    assert_eq!(source.student(id(5_001)).await.unwrap().student.unwrap().marks, [7, 6, 5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn a_load_round_the_triggers_that_says_so_is_a_change_of_everybody() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let before = now(&*source).await;
    let triggers = |how: &str| -> String {
        let each = ["insert", "update", "delete", "truncate"]
            .map(|event| format!("ALTER TABLE students {how} TRIGGER students_{event}_logged;"));
        each.concat()
    };
    database
        .edit(&format!(
            "BEGIN; {} UPDATE students SET name = 'Loaded' WHERE id = 5; SELECT log_changes('{{0}}'); {} COMMIT",
            triggers("DISABLE"),
            triggers("ENABLE ALWAYS")
        ))
        .await;
    let rows = rows_since(&*source, &before).await;
    let standing = source.student(id(5)).await.unwrap().standing;
    assert_eq!(rows, [(0, standing.everything.unwrap())]);
    assert_eq!(standing.own, None);
}

#[tokio::test]
async fn a_statement_of_many_parts_logs_what_each_part_touches() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let [a, b, c, d] = of_stream(Stream::NaturalScience);
    let [x, y] = of_stream(Stream::SocialScience);
    let absent = 7_000;
    for (sql, mut expected) in [
        (
            format!(
                "MERGE INTO students USING (VALUES ({a}), ({b}), ({c}), ({absent})) AS new (id) \
                   ON students.id = new.id \
                 WHEN MATCHED AND new.id = {a} THEN DELETE \
                 WHEN MATCHED AND new.id = {b} THEN UPDATE SET name = 'Merged' \
                 WHEN MATCHED THEN DO NOTHING \
                 WHEN NOT MATCHED THEN INSERT VALUES (new.id, {NEW})"
            ),
            vec![a, b, absent],
        ),
        (
            format!(
                "WITH moved AS (DELETE FROM social_science_results WHERE student_id = {x} RETURNING *), \
                      person AS (UPDATE students SET stream = 'natural_science' WHERE id = {y}) \
                 INSERT INTO natural_science_results SELECT * FROM moved"
            ),
            vec![x, y],
        ),
        // Rows go with the student's own, and follow to another id.
        (format!("DELETE FROM students WHERE id IN ({b}, {x})"), vec![b, x]),
        (
            format!("UPDATE students SET id = id + 10000 WHERE id IN ({c}, {d})"),
            vec![c, d, c + 10_000, d + 10_000],
        ),
    ] {
        let before = now(&*source).await;
        database.edit(&sql).await;
        expected.sort_unstable();
        assert_eq!(changed_since(&*source, &before).await, expected, "{sql}");
    }
    let moved = source.student(StudentId::new(c + 10_000).unwrap()).await.unwrap().student.unwrap();
    assert_eq!((moved.name, moved.marks), (generated(c).name, generated(c).marks));
    assert!(source::connect(&database.url).unwrap().student(id(c)).await.unwrap().student.is_none());
}
