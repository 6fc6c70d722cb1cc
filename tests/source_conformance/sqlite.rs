//! SQLite: its way into the suite, and what only a file or only its SQL can do.

use std::{fs, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use results_day::{
    changes::Snapshot,
    source::{self, Source, SourceError},
    student::Stream,
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{
    Database, PLAN, changed_since, generated, generated_students, id, now, of_stream, reading, seeded,
    seeding::unusable,
};

/// A SQLite file in a directory of its own.
pub(crate) struct SqliteFile {
    pub(crate) directory: TempDir,
}

impl SqliteFile {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("folder/results.db")
    }

    pub(crate) fn connection(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection.pragma_update(None, "foreign_keys", true).unwrap();
        connection
    }

    pub(crate) fn edit_now(&self, sql: &str) {
        self.connection().execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The file and what SQLite keeps beside it.
    fn files(&self) -> [PathBuf; 3] {
        ["", "-wal", "-shm"].map(|suffix| PathBuf::from(format!("{}{suffix}", self.path().display())))
    }

    pub(crate) fn copy_to(&self, other: &Self) {
        // After this the file alone is the whole database.
        self.edit_now("PRAGMA wal_checkpoint(TRUNCATE)");
        fs::create_dir_all(other.path().parent().unwrap()).unwrap();
        fs::copy(self.path(), other.path()).unwrap();
    }

    /// Puts the other file in the place of this one, as whoever restores a backup does.
    pub(crate) fn replace_by(&self, other: &Self) {
        for file in self.files().iter().filter(|file| file.exists()) {
            fs::remove_file(file).unwrap();
        }
        other.edit_now("PRAGMA wal_checkpoint(TRUNCATE)");
        fs::rename(other.path(), self.path()).unwrap();
    }
}

#[async_trait]
impl Database for SqliteFile {
    fn source(&self) -> Arc<dyn Source> {
        source::connect(&format!("sqlite:{}", self.path().display())).unwrap()
    }

    async fn edit(&self, sql: &str) {
        self.edit_now(sql);
    }
}

#[tokio::test]
async fn a_conflict_clause_of_sqlite_never_gets_past_the_log() {
    let file = SqliteFile::new();
    let source = seeded(&file).await;
    let [a, b, c] = of_stream(Stream::NaturalScience);
    // The log has a row of each already, with which the conflict clause could conflict.
    file.edit_now("UPDATE students SET name = 'Corrected' WHERE id < 50");
    let natural = "'X', 'F', 'S', 'R', 'natural_science'";
    let table: Vec<(String, Vec<u32>)> = vec![
        (format!("INSERT OR REPLACE INTO students VALUES (5, {natural}), (5000, {natural})"), vec![5, 5_000]),
        (format!("REPLACE INTO students VALUES (6, {natural})"), vec![6]),
        (format!("INSERT OR IGNORE INTO students VALUES (7, {natural}), (5001, {natural})"), vec![5_001]),
        (format!("INSERT OR ROLLBACK INTO students VALUES (5002, {natural})"), vec![5_002]),
        // The student who stood at 9 is gone, and 8 stands there.
        ("UPDATE OR REPLACE students SET id = 9 WHERE id = 8".into(), vec![8, 9]),
        ("UPDATE OR IGNORE students SET id = 10 WHERE id IN (11, 12)".into(), vec![]),
        ("UPDATE OR IGNORE students SET name = 'Y' WHERE id IN (11, 12)".into(), vec![11, 12]),
        (
            format!("UPDATE OR FAIL natural_science_results SET physics = 1 WHERE student_id IN ({a}, {b})"),
            vec![a, b],
        ),
        (format!("REPLACE INTO natural_science_results VALUES ({c}, 1, 2, 3, 4, 5, 6, 7)"), vec![c]),
        (format!("INSERT INTO students SELECT 5003, {natural}"), vec![5_003]),
        (format!("INSERT INTO students VALUES (NULL, {natural})"), vec![5_004]),
        (
            "PRAGMA recursive_triggers = 1; REPLACE INTO students SELECT * FROM students WHERE id = 13"
                .into(),
            vec![13],
        ),
        // Without foreign keys nothing cascades; the student is gone all the same.
        ("PRAGMA foreign_keys = 0; DELETE FROM students WHERE id = 14".into(), vec![14]),
    ];
    for (sql, mut expected) in table {
        let before = now(&*source).await;
        file.edit_now(&sql);
        expected.sort_unstable();
        assert_eq!(changed_since(&*source, &before).await, expected, "{sql}");
    }
    let everybody: Vec<u32> = file
        .connection()
        .prepare("SELECT id FROM students ORDER BY id")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let before = now(&*source).await;
    file.edit_now("DELETE FROM students");
    assert_eq!(changed_since(&*source, &before).await, everybody);
}

#[tokio::test]
async fn a_row_that_breaks_the_rules_is_named_with_its_column() {
    let file = SqliteFile::new();
    let source = seeded(&file).await;
    let [student] = of_stream(Stream::NaturalScience);
    let marks = |set: &str| format!("UPDATE natural_science_results SET {set} WHERE student_id = {student}");
    let person = |set: &str| format!("UPDATE students SET {set} WHERE id = {student}");
    let table = [
        (marks("physics = 140"), "physics is 140; a mark is 0 to 100"),
        (marks("physics = 50, english = -1"), "english is -1; a mark is 0 to 100"),
        (marks("english = 101"), "english is 101; a mark is 0 to 100"),
        (
            marks("english = 50, biology = 9223372036854775807"),
            "biology is 9223372036854775807; a mark is 0 to 100",
        ),
        (marks("biology = 50") + ";" + &person("sex = 'X'"), "sex: \"X\" is not one of F, M"),
        (person("sex = 'F', name = CAST(x'FF' AS TEXT)"), "name: invalid utf-8 sequence"),
    ];
    for (sql, expected) in table {
        file.edit_now(&format!("PRAGMA ignore_check_constraints = 1; {sql}"));
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
    file.edit_now(&person("name = 'Corrected'"));
    assert_eq!(source.student(id(student)).await.unwrap().student.unwrap().name, "Corrected");
}

#[tokio::test]
async fn a_log_that_no_program_of_ours_wrote_is_for_a_person_to_look_at() {
    let file = SqliteFile::new();
    let source = seeded(&file).await;
    file.edit_now("INSERT INTO changes VALUES (-5, 9, 9)");
    unusable(source.changes_since(&Snapshot::NOTHING).await);
    file.edit_now("DELETE FROM changes WHERE student_id = -5");
    assert!(source.changes_since(&Snapshot::NOTHING).await.is_ok());
    file.edit_now("DELETE FROM data_set");
    unusable(source.changes_since(&Snapshot::NOTHING).await);
    unusable(source.snapshot().await);
    unusable(source.begin(PLAN).await);
}

#[tokio::test]
async fn a_correction_waits_for_a_load_and_a_reader_waits_for_nobody() {
    let file = SqliteFile::new();
    let source = seeded(&file).await;
    let writer = file.connection();
    writer.execute_batch("BEGIN IMMEDIATE; UPDATE students SET name = 'In flight' WHERE id = 5").unwrap();
    let snapshot = now(&*source).await;
    assert_eq!(source.student(id(5)).await.unwrap().student, Some(generated(5)));
    // A snapshot commits its token, so it waits for the writer and sees what it wrote.
    let taking = tokio::spawn({
        let source = source.clone();
        async move { source.snapshot().await.map(|reader| reader.origin().clone()) }
    });
    writer.execute_batch("COMMIT").unwrap();
    let origin = taking.await.unwrap().unwrap();
    assert_eq!(changed_since(&*source, &snapshot).await, [5]);
    assert_eq!(source.student(id(5)).await.unwrap().student.unwrap().name, "In flight");
    assert!(source.holds(&origin).await.unwrap());
}

#[tokio::test]
async fn many_tasks_at_once_share_the_connections() {
    let file = SqliteFile::new();
    let source = seeded(&file).await;
    let read = (1..=200).map(|number| {
        let source = source.clone();
        tokio::spawn(async move { source.student(id(number)).await.unwrap().student.unwrap() })
    });
    let students: Vec<_> = futures::future::join_all(read).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(students, generated_students(1..=200));
}
