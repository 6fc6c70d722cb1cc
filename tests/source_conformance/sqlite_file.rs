//! SQLite: the file may go away, come back, and be another one.

use std::fs;

use results_day::source::{self, SourceError};

use crate::{
    Database, PLAN, changed_since, generated, id, missing, now, seeded, seeding::unusable, sqlite::SqliteFile,
};

#[tokio::test]
async fn a_file_that_moved_away_is_unavailable_at_the_next_call_and_healed_when_it_is_back() {
    let file = SqliteFile::new();
    let source = seeded(&file).await;
    let origin = source.snapshot().await.unwrap().origin().clone();
    let away = file.directory.path().join("away");
    for _ in 0..2 {
        fs::rename(file.path().parent().unwrap(), &away).unwrap();
        let unavailable =
            |error: SourceError| assert!(matches!(error, SourceError::Unavailable(_)), "{error}");
        unavailable(source.student(id(5)).await.unwrap_err());
        unavailable(source.changes_since(&origin.snapshot).await.unwrap_err());
        unavailable(source.holds(&origin).await.unwrap_err());
        unavailable(source.snapshot().await.map(drop).unwrap_err());
        unavailable(source.lead().await.map(drop).unwrap_err());
        fs::rename(&away, file.path().parent().unwrap()).unwrap();
        assert!(source.holds(&origin).await.unwrap());
        assert_eq!(source.student(id(5)).await.unwrap().student, Some(generated(5)));
        assert_eq!(changed_since(&*source, &origin.snapshot).await, [0; 0]);
    }
    assert!(source.snapshot().await.is_ok());
}

#[tokio::test]
async fn the_lead_is_of_the_database_whatever_path_leads_to_it_and_of_the_lock_that_is_there() {
    let file = SqliteFile::new();
    let source = seeded(&file).await;
    let mut leadership = source.lead().await.unwrap().unwrap();
    let link = file.directory.path().join("link.db");
    std::os::unix::fs::symlink(file.path(), &link).unwrap();
    let linked = source::connect(&format!("sqlite:{}", link.display())).unwrap();
    assert!(linked.lead().await.unwrap().is_none());
    // A lock that somebody has removed keeps nobody away any more.
    let lock = format!("{}.watch", file.path().display());
    fs::remove_file(&lock).unwrap();
    leadership.hold().await.unwrap_err();
    let mut next = linked.lead().await.unwrap().unwrap();
    leadership.hold().await.unwrap_err();
    next.hold().await.unwrap();
    drop((leadership, next));
    assert!(fs::exists(&lock).unwrap() && source.lead().await.unwrap().is_some());
}

#[tokio::test]
async fn a_file_in_the_place_of_another_is_another_data_set() {
    let [file, other] = [SqliteFile::new(), SqliteFile::new()];
    let source = seeded(&file).await;
    let theirs = seeded(&other).await.snapshot().await.unwrap().origin().clone();
    other.edit_now("UPDATE students SET name = 'Of the other' WHERE id = 5");
    let ours = source.snapshot().await.unwrap().origin().clone();
    assert!(!source.holds(&theirs).await.unwrap());

    file.replace_by(&other);
    assert!(!source.holds(&ours).await.unwrap());
    assert!(source.holds(&theirs).await.unwrap());
    assert_eq!(source.student(id(5)).await.unwrap().student.unwrap().name, "Of the other");
    assert_eq!(source.changes_since(&ours.snapshot).await.unwrap().data_set, theirs.data_set);
}

#[tokio::test]
async fn a_backup_does_not_hold_what_was_published_after_it_was_taken() {
    let [file, backup] = [SqliteFile::new(), SqliteFile::new()];
    let source = seeded(&file).await;
    let before = source.snapshot().await.unwrap().origin().clone();
    file.copy_to(&backup);
    let after = source.snapshot().await.unwrap().origin().clone();
    file.edit_now("UPDATE students SET name = 'Corrected' WHERE id = 5");
    let lost = source.student(id(5)).await.unwrap().standing.own.unwrap();

    file.replace_by(&backup);
    assert!(source.holds(&before).await.unwrap());
    assert!(!source.holds(&after).await.unwrap());
    // The restored file counts on from where it was: the revision is given again, the token is not.
    file.edit_now("UPDATE students SET name = 'Otherwise' WHERE id = 5");
    let again = source.student(id(5)).await.unwrap().standing.own.unwrap();
    assert_eq!(again.transaction, lost.transaction);
    assert_ne!(again.token, lost.token);
}

#[tokio::test]
async fn a_database_whose_triggers_are_gone_is_refused_by_whoever_has_it_open_and_by_whoever_opens_it() {
    for table in ["students", "natural_science_results", "social_science_results"] {
        for event in ["insert", "update", "delete"] {
            let file = SqliteFile::new();
            let source = seeded(&file).await;
            let snapshot = now(&*source).await;
            let trigger = format!("{table}_{event}_logged");
            let sql: String = file
                .connection()
                .query_row("SELECT sql FROM sqlite_schema WHERE name = ?", [&trigger], |row| row.get(0))
                .unwrap();
            file.edit_now(&format!("DROP TRIGGER {trigger}"));
            for source in [file.source(), source.clone()] {
                let problem = unusable(source.snapshot().await);
                assert!(problem.contains(&format!("has no trigger {trigger}")), "{problem}");
                unusable(source.changes_since(&snapshot).await);
                unusable(source.student(id(5)).await);
            }
            // One that does something else is none.
            file.edit_now(&format!("CREATE TRIGGER {trigger} AFTER {event} ON {table} BEGIN SELECT 1; END"));
            unusable(source.changes_since(&snapshot).await);
            file.edit_now(&format!("DROP TRIGGER {trigger}; {sql}"));
            assert!(source.changes_since(&snapshot).await.is_ok());
        }
    }
}

#[tokio::test]
async fn a_file_of_something_else_is_refused_and_left_as_it_is() {
    let file = SqliteFile::new();
    fs::create_dir_all(file.path().parent().unwrap()).unwrap();
    file.edit_now("CREATE TABLE recipes (name TEXT)");
    let before = fs::read(file.path()).unwrap();
    let source = file.source();
    let problem = unusable(source.begin(PLAN).await);
    assert!(problem.ends_with("results.db is a database of something else"), "{problem}");
    let problem = unusable(source.snapshot().await);
    assert!(problem.ends_with("results.db holds no results; run db-seeder first"), "{problem}");
    assert!(fs::read(file.path()).unwrap() == before, "the file has changed");

    fs::write(file.path(), "This is no database at all, though it is long enough to be one. ".repeat(40))
        .unwrap();
    let problem = unusable(source.begin(PLAN).await);
    assert!(problem.starts_with("the file is not a SQLite database"), "{problem}");
    unusable(source.student(id(1)).await);

    fs::write(file.path(), "").unwrap();
    unusable(source.student(id(1)).await);
    assert_eq!(missing(&*source).await.len(), 5);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let file = SqliteFile::new();
    let _seeded = seeded(&file).await;
    file.edit_now("PRAGMA user_version = 2");
    let source = file.source();
    for problem in [unusable(source.student(id(1)).await), unusable(source.begin(PLAN).await)] {
        assert!(problem.ends_with("has schema version 2, this program knows version 1"), "{problem}");
    }
}
