use std::{fmt::Write as _, path::Path};

use rusqlite::Connection;

use super::super::SourceError;
use crate::student::Stream;

/// The version in `PRAGMA user_version`.
const VERSION: i64 = 1;

/// The tables whose rows make up a document, and the column that holds the student's id.
const TRACKED: [(&str, &str); 3] =
    [("students", "id"), ("natural_science_results", "student_id"), ("social_science_results", "student_id")];

/// Creates everything but the triggers, which a bulk load goes round.
pub(super) fn create(connection: &Connection) -> Result<(), SourceError> {
    connection.execute_batch(&tables())?;
    connection.pragma_update(None, "user_version", VERSION)?;
    Ok(())
}

/// From here on, every change is logged.
pub(super) fn create_triggers(connection: &Connection) -> Result<(), SourceError> {
    Ok(connection.execute_batch(&triggers())?)
}

/// A number that SQLite changes whenever a table or a trigger comes, changes or goes.
pub(super) fn cookie(connection: &Connection) -> Result<i64, SourceError> {
    Ok(connection.prepare_cached("PRAGMA schema_version")?.query_row([], |row| row.get(0))?)
}

/// Refuses a database of another version; `none` says what is wrong where there is no version at all.
pub(super) fn check_version(connection: &Connection, path: &Path, none: &str) -> Result<(), SourceError> {
    let path = path.display();
    match connection.pragma_query_value(None, "user_version", |row| row.get(0))? {
        VERSION => Ok(()),
        0 => Err(SourceError::Unusable(format!("{path} {none}"))),
        version => Err(SourceError::Unusable(format!(
            "{path} has schema version {version}, this program knows version {VERSION}"
        ))),
    }
}

/// Refuses a database that would not log its changes.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), SourceError> {
    check_version(connection, path, "holds no results; run db-seeder first")?;
    let path = path.display();
    let mut statement =
        connection.prepare("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND sql = ?")?;
    let complete: bool = connection.query_row("SELECT complete FROM data_set", [], |row| row.get(0))?;
    for (name, sql) in each_trigger() {
        let there: i64 = statement.query_row([sql], |row| row.get(0))?;
        if complete && there == 0 {
            return Err(SourceError::Unlogged(format!(
                "{path} has no trigger {name} as this program makes it, so changes may have gone unlogged; \
                 restore the trigger, or seed a new database"
            )));
        }
    }
    Ok(())
}

fn tables() -> String {
    let mut sql = String::from(
        "CREATE TABLE students (
  id INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 999999999),
  name TEXT NOT NULL,
  sex TEXT NOT NULL CHECK (sex IN ('F', 'M')),
  school TEXT NOT NULL,
  region TEXT NOT NULL,
  stream TEXT NOT NULL CHECK (stream IN ('natural_science', 'social_science'))
) STRICT;
-- One row: which data set this is, how far its seeding came, and the revision of the last change.
CREATE TABLE data_set (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  id TEXT NOT NULL,
  seed TEXT NOT NULL,
  students INTEGER NOT NULL,
  complete INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT;
-- One row per student ever changed; student 0 is everybody.
CREATE TABLE changes (
  student_id INTEGER PRIMARY KEY,
  revision INTEGER NOT NULL,
  token INTEGER NOT NULL
) STRICT;
CREATE INDEX changes_by_revision ON changes (revision);
CREATE TABLE release_tokens (token TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
",
    );
    for stream in Stream::ALL {
        let marks = stream
            .subjects()
            .map(|subject| format!("  {subject} INTEGER NOT NULL CHECK ({subject} BETWEEN 0 AND 100)"));
        let _infallible = writeln!(
            sql,
            "CREATE TABLE {}_results (
  student_id INTEGER PRIMARY KEY REFERENCES students (id) ON UPDATE CASCADE ON DELETE CASCADE,
{}
) STRICT;",
            stream.as_str(),
            marks.join(",\n")
        );
    }
    sql
}

fn triggers() -> String {
    each_trigger().map(|(_, sql)| sql + ";\n").collect()
}

fn each_trigger() -> impl Iterator<Item = (String, String)> {
    TRACKED.into_iter().flat_map(|(table, id)| {
        let events = [
            ("INSERT", vec![format!("NEW.{id}")]),
            ("UPDATE", vec![format!("OLD.{id}"), format!("NEW.{id}")]),
            ("DELETE", vec![format!("OLD.{id}")]),
        ];
        events.map(move |(event, ids)| {
            let name = format!("{table}_{}_logged", event.to_lowercase());
            let body: String = ids.iter().map(|id| log(id)).collect();
            (name.clone(), format!("CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN\n{body}END"))
        })
    })
}

/// Deleting and inserting rather than an upsert: the conflict clause of the statement that fired a trigger
/// replaces the ones within it, and `INSERT OR IGNORE` must not ignore the log.
fn log(id: &str) -> String {
    format!(
        "  UPDATE data_set SET revision = revision + 1;
  DELETE FROM changes WHERE student_id = {id};
  INSERT INTO changes SELECT {id}, revision, random() FROM data_set;
"
    )
}
