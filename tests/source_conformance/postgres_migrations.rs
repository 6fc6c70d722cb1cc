//! PostgreSQL: the migrations go up and down by sqlx's own means, and never over what is somebody else's.

use std::path::Path;

use results_day::source::Seeded;
use sqlx::migrate::Migrator;

use crate::{
    Database, PLAN, changed_since, generated_students, missing, now,
    postgres::{Corrector, PostgresDatabase},
    reading::everybody,
    seeded,
    seeding::unusable,
};

/// The migrations as `sqlx migrate` finds them.
async fn migrator() -> Migrator {
    Migrator::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations")).await.unwrap()
}

/// All that is in the schema `public`, but for sqlx's own table.
async fn there(corrector: &mut Corrector) -> String {
    let names = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace \
                   AND relname NOT LIKE '\\_sqlx\\_%' \
                 UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace \
                 UNION ALL SELECT conname::text FROM pg_constraint WHERE connamespace = 'public'::regnamespace \
                   AND conname NOT LIKE '\\_sqlx\\_%' \
                 UNION ALL SELECT stxname::text FROM pg_statistic_ext \
                 UNION ALL SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal";
    corrector.ask(&format!("SELECT string_agg(name, ' ' ORDER BY name) FROM ({names}) AS names (name)")).await
}

async fn versions(corrector: &mut Corrector) -> String {
    corrector.ask("SELECT string_agg(version::text, ' ' ORDER BY version) FROM _sqlx_migrations").await
}

#[tokio::test]
async fn the_migrations_go_up_and_down_step_by_step_and_leave_nothing() {
    let database = PostgresDatabase::new();
    let mut corrector = database.corrector().await;
    let migrator = migrator().await;
    let empty = there(&mut corrector).await;
    assert_eq!(empty, "");
    let mut steps = vec![empty];
    for version in 1..=4 {
        migrator.run_to(version, &mut corrector.connection).await.unwrap();
        steps.push(there(&mut corrector).await);
    }
    assert!(steps[1].contains("natural_science_results") && !steps[1].contains("students_pkey"));
    assert!(steps[2].contains("students_pkey") && !steps[2].contains("log_changes"));
    assert!(steps[3].contains("students_truncate_logged") && !steps[3].contains("students_blocks"));
    assert!(steps[4].contains("students_blocks"));
    for version in (0..4).rev() {
        migrator.undo(&mut corrector.connection, version).await.unwrap();
        assert_eq!(there(&mut corrector).await, steps[usize::try_from(version).unwrap()], "{version}");
    }
    assert_eq!(versions(&mut corrector).await, "");
    migrator.run(&mut corrector.connection).await.unwrap();
    assert_eq!(there(&mut corrector).await, steps[4]);
    migrator.undo(&mut corrector.connection, 0).await.unwrap();

    // The seeder goes the same way, and goes on where another stopped.
    let source = seeded(&database).await;
    assert_eq!(there(&mut corrector).await, steps[4]);
    assert_eq!(versions(&mut corrector).await, "1 2 3 4");
    migrator.run(&mut corrector.connection).await.unwrap();
    assert_eq!(source.begin(PLAN).await.unwrap(), Seeded::Complete);
}

#[tokio::test]
async fn nothing_is_read_while_the_log_is_gone_and_everybody_has_changed_when_it_is_back() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let before = now(&*source).await;
    let mut corrector = database.corrector().await;
    for version in [2, 1] {
        migrator().await.undo(&mut corrector.connection, version).await.unwrap();
        for problem in [unusable(source.changes_since(&before).await), unusable(source.snapshot().await)] {
            assert!(problem.contains(" no trigger students_insert_logged, "), "{problem}");
        }
        database.edit(&format!("UPDATE students SET name = 'Unlogged {version}' WHERE id = 5")).await;
        migrator().await.run(&mut corrector.connection).await.unwrap();
        assert_eq!(changed_since(&*source, &before).await, [0]);
        let mut expected = generated_students(1..=PLAN.students);
        expected[4].name = format!("Unlogged {version}");
        assert_eq!(everybody(&*source).await, expected);
    }
}

#[tokio::test]
async fn a_database_of_something_else_is_refused_and_left_as_it_is() {
    for theirs in [
        "CREATE TABLE students (recipe text)",
        "CREATE TABLE release_tokens (recipe text)",
        "CREATE VIEW changes AS SELECT 1 AS one",
        // A table that this role may not even see.
        "CREATE TABLE data_set (recipe text)",
    ] {
        let database = PostgresDatabase::new();
        let mut corrector = database.corrector().await;
        let role = format!("seeder_of_{}", database.name());
        corrector
            .run(&format!("{theirs}; CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA public TO {role}"))
            .await;
        let before = there(&mut corrector).await;
        for url in [database.url.clone(), database.url.replace("postgres@", &format!("{role}@"))] {
            let source = results_day::source::connect(&url).unwrap();
            let problem = unusable(source.begin(PLAN).await);
            let table = theirs.split(' ').nth(2).unwrap();
            assert!(
                problem.contains(&format!(
                    "is a database of something else: it has a table {table} that no migration of this program made"
                )),
                "{problem}"
            );
            assert_eq!(there(&mut corrector).await, before);
            assert_eq!(corrector.ask("to_regclass('_sqlx_migrations')").await, "");
        }
    }
    // What has other names is in nobody's way.
    let database = PostgresDatabase::new();
    database.edit("CREATE TABLE recipes (name text); INSERT INTO recipes VALUES ('Injera')").await;
    let source = seeded(&database).await;
    assert_eq!(everybody(&*source).await.len(), 2_345);
    assert_eq!(database.corrector().await.ask("SELECT name FROM recipes").await, "Injera");
}

#[tokio::test]
async fn migrations_of_something_else_and_half_applied_ones_are_refused() {
    for (harm, expected) in [
        (
            "UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 1",
            "migration 1 was previously applied",
        ),
        (
            "INSERT INTO _sqlx_migrations VALUES (20240101, 'recipes', now(), true, '\\x00', 1)",
            "migration 20240101 was previously applied",
        ),
        ("UPDATE _sqlx_migrations SET success = false WHERE version = 1", "migration 1 is partially applied"),
    ] {
        let database = PostgresDatabase::new();
        let source = database.source();
        assert_eq!(missing(&*source).await.len(), 5);
        let mut corrector = database.corrector().await;
        let before = there(&mut corrector).await;
        corrector.run(harm).await;
        let problem = unusable(source.begin(PLAN).await);
        assert!(problem.contains(expected), "{problem}");
        unusable(source.finish().await);
        assert_eq!(there(&mut corrector).await, before);
    }
}
