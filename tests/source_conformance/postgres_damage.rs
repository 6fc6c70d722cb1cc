//! PostgreSQL: tables that somebody altered, and rows that their rules no longer keep out.

use results_day::{changes::Snapshot, source::SourceError, student::Stream};

use crate::{
    Database, PLAN, changed_since, generated, generated_students, id, now, of_stream,
    postgres::{CLUSTER, PostgresDatabase},
    reading, seeded,
    seeding::unusable,
};

#[tokio::test]
async fn a_row_that_breaks_the_rules_is_named_with_its_column() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let [student] = of_stream(Stream::NaturalScience);
    let marks = |set: &str| format!("UPDATE natural_science_results SET {set} WHERE student_id = {student}");
    let person = |set: &str| format!("UPDATE students SET {set} WHERE id = {student}");
    database
        .edit(
            "ALTER TABLE students DROP CONSTRAINT students_check; \
             ALTER TABLE natural_science_results DROP CONSTRAINT natural_science_results_check, \
               ALTER COLUMN physics DROP NOT NULL",
        )
        .await;
    for (sql, expected) in [
        (marks("physics = 140"), "physics is 140; a mark is 0 to 100"),
        (marks("physics = 50, english = -1"), "english is -1; a mark is 0 to 100"),
        (marks("english = 32767"), "english is 32767; a mark is 0 to 100"),
        (marks("english = 50, physics = NULL"), "physics is missing"),
        (marks("physics = 50") + ";" + &person("sex = 'X'"), "sex: \"X\" is not one of F, M"),
    ] {
        database.edit(&sql).await;
        let one = source.student(id(student)).await.map(drop).unwrap_err();
        let all = reading::read(&*source, vec![1..=999, 1_000..=1_999]).await.unwrap_err();
        for error in [one, all] {
            let SourceError::InvalidRow { id, problem } = &error else { panic!("{error}") };
            assert_eq!(*id, i64::from(student));
            assert!(problem.starts_with(expected), "{problem:?} instead of {expected:?}");
        }
        // Nobody else is harmed, and the log goes on.
        assert_eq!(source.student(id(student + 1)).await.unwrap().student, Some(generated(student + 1)));
        assert!(source.changes_since(&now(&*source).await).await.is_ok());
    }
    // An id that nobody can ask for cannot be logged, and what cannot be logged cannot be done.
    database.edit(&person("sex = 'F'")).await;
    let mut corrector = database.corrector().await;
    let insert = "INSERT INTO students VALUES (-5, 'N', 'F', 'S', 'R', 'natural_science')";
    let error = sqlx::raw_sql(insert).execute(&mut corrector.connection).await.unwrap_err().to_string();
    assert!(error.contains("changes_student_id_check"), "{error}");
    assert_eq!(source.student(id(student)).await.unwrap().student.map(|student| student.marks[4]), Some(50));
}

#[tokio::test]
async fn a_data_set_without_its_name_is_for_a_person_to_look_at() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    database.edit("DELETE FROM data_set").await;
    let problem = unusable(source.changes_since(&Snapshot::NOTHING).await);
    assert!(problem.ends_with("has lost the row that names its data set"), "{problem}");
    unusable(source.snapshot().await);
}

#[tokio::test]
async fn a_column_that_was_altered_while_a_source_was_open_is_read_or_refused_and_healed() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let before = now(&*source).await;
    for (to, fits) in [
        ("varchar(200)", true),
        ("bytea USING name::bytea", false),
        ("text USING convert_from(name, 'UTF8')", true),
    ] {
        assert!(source.changes_since(&before).await.is_ok());
        database.edit(&format!("ALTER TABLE students ALTER COLUMN name TYPE {to}")).await;
        // What was prepared before fails once, and not for ever.
        let _prepared_before = source.student(id(5)).await;
        if fits {
            assert_eq!(source.student(id(5)).await.unwrap().student, Some(generated(5)));
            assert_eq!(reading::everybody(&*source).await, generated_students(1..=PLAN.students));
        } else {
            unusable(source.student(id(5)).await);
        }
    }
    database
        .edit("ALTER TABLE changes ADD COLUMN note text; ALTER TABLE data_set ADD COLUMN note text")
        .await;
    let _prepared_before = source.changes_since(&before).await;
    database.edit("UPDATE students SET name = 'Corrected' WHERE id = 5").await;
    assert_eq!(changed_since(&*source, &before).await, [5]);
}

#[tokio::test]
async fn whatever_sessions_begin_with_the_programs_have_their_own() {
    let database = PostgresDatabase::new();
    for setting in [
        "default_transaction_isolation = 'serializable'",
        "statement_timeout = '1ms'",
        "idle_in_transaction_session_timeout = '1ms'",
        "lock_timeout = '1ms'",
        "datestyle = 'German'",
        "timezone = 'Africa/Addis_Ababa'",
        "client_encoding = 'LATIN1'",
        "standard_conforming_strings = off",
    ] {
        // From outside the database: an editing session would have the settings as well.
        let alter = format!("ALTER DATABASE {} SET {setting}", database.name());
        let administrator = PostgresDatabase { url: CLUSTER.url("postgres") };
        administrator.edit(&alter).await;
    }
    crate::seeding::seeders_at_once_do_each_others_work(&database).await;
    let source = database.source();
    let before = source.snapshot().await.unwrap().origin().clone();
    let mut corrector = database.corrector().await;
    corrector.run("UPDATE students SET name = 'Corrected' WHERE id = 5").await;
    assert_eq!(changed_since(&*source, &before.snapshot).await, [5]);
    assert!(source.holds(&before).await.unwrap());
    assert_eq!(source.student(id(6)).await.unwrap().student, Some(generated(6)));
}
