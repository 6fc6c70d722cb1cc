//! PostgreSQL: a database whose triggers are not as they should be is refused until they are.

use crate::{Database, changed_since, now, postgres::PostgresDatabase, seeded, seeding::unusable};

const TABLES: [(&str, &str); 3] = [
    ("students", "log_changed_students"),
    ("natural_science_results", "log_changed_results"),
    ("social_science_results", "log_changed_results"),
];

/// The events, and the rows that a trigger of each is told.
const EVENTS: [(&str, &str); 4] = [
    ("insert", "REFERENCING NEW TABLE AS new_rows"),
    ("update", "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"),
    ("delete", "REFERENCING OLD TABLE AS old_rows"),
    ("truncate", ""),
];

#[tokio::test]
async fn a_trigger_that_is_missing_or_asleep_or_another_is_named_and_refused_until_it_is_back() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let snapshot = now(&*source).await;
    database
        .edit("CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        .await;
    for (table, log) in TABLES {
        for (event, rows) in EVENTS {
            let log = if event == "truncate" { "log_truncation" } else { log };
            let trigger = format!("{table}_{event}_logged");
            let always = format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}");
            let drop = format!("DROP TRIGGER {trigger} ON {table}");
            let create = |when: &str, log: &str| {
                format!(
                    "CREATE TRIGGER {trigger} {when} ON {table} {rows} FOR EACH STATEMENT EXECUTE FUNCTION {log}()"
                )
            };
            let as_made = create(&format!("AFTER {event}"), log);
            let mut broken = vec![
                (format!("ALTER TABLE {table} DISABLE TRIGGER {trigger}"), always.clone()),
                (format!("ALTER TABLE {table} ENABLE REPLICA TRIGGER {trigger}"), always.clone()),
                // In a replica's session this one would not fire.
                (format!("ALTER TABLE {table} ENABLE TRIGGER {trigger}"), always.clone()),
                (format!("ALTER TABLE {table} DISABLE TRIGGER ALL"), always_all(table)),
                (drop.clone(), format!("{as_made}; {always}")),
                (
                    format!("{drop}; {}; {always}", create(&format!("AFTER {event}"), "nothing")),
                    format!("{drop}; {as_made}; {always}"),
                ),
                (
                    format!("{drop}; {}; {always}", as_made.replace("EXECUTE", "WHEN (false) EXECUTE")),
                    format!("{drop}; {as_made}; {always}"),
                ),
            ];
            if event == "truncate" {
                // Of another event, though of the right name.
                let other = format!("{drop}; {}; {always}", create("AFTER INSERT", log));
                broken.push((other, format!("{drop}; {as_made}; {always}")));
            }
            for (harm, heal) in broken {
                database.edit(&harm).await;
                let (named, how) = (format!(" trigger {trigger}"), how_it_is(&harm));
                for source in [&source, &database.source()] {
                    for problem in
                        [unusable(source.changes_since(&snapshot).await), unusable(source.snapshot().await)]
                    {
                        assert!(problem.contains(&format!("{named}{how}")), "{harm}: {problem}");
                        assert!(problem.contains("call log_changes('{0}')"), "{problem}");
                    }
                }
                database.edit(&heal).await;
                assert_eq!(changed_since(&*source, &snapshot).await, [0; 0], "{heal}");
                assert!(source.snapshot().await.is_ok());
            }
        }
    }
}

/// What is said of a trigger that was harmed so.
fn how_it_is(harm: &str) -> &'static str {
    match harm.split(' ').nth(3) {
        Some("DISABLE") => " that is off",
        Some("ENABLE") => " that is not enabled ALWAYS",
        _ if harm.contains("CREATE") => " that is not as the migrations make it",
        _ => ",",
    }
}

fn always_all(table: &str) -> String {
    let each =
        EVENTS.map(|(event, _)| format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_{event}_logged;"));
    format!("ALTER TABLE {table} ENABLE TRIGGER ALL; {}", each.concat())
}

#[tokio::test]
async fn all_triggers_that_are_missing_are_named_together() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let before = now(&*source).await;
    database.edit("DROP FUNCTION log_changed_students() CASCADE").await;
    let problem = unusable(source.changes_since(&before).await);
    assert!(
        problem.contains(
            " has no trigger students_delete_logged, no trigger students_insert_logged, \
             no trigger students_update_logged, so changes may have gone unlogged"
        ),
        "{problem}"
    );
    // A table that is not the one which the triggers watch has none of them.
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let before = now(&*source).await;
    database.edit("ALTER TABLE students RENAME TO old; CREATE TABLE students (LIKE old INCLUDING ALL)").await;
    let problem = unusable(source.changes_since(&before).await);
    assert!(problem.contains("students_truncate_logged"), "{problem}");
}
