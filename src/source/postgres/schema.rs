use std::borrow::Cow;

use sqlx::{
    PgConnection,
    migrate::{Migration, MigrationType, Migrator},
};

use super::super::SourceError;

/// The last migration before a bulk load; those behind it bring the keys and the triggers.
pub(super) const TABLES: i64 = 1;

/// `migrations/` as sqlx's own command line reads it: to go back, run `sqlx migrate revert` there.
const MIGRATIONS: [(i64, &str, &str); 3] = [
    (TABLES, "tables", include_str!("../../../migrations/0001_tables.up.sql")),
    (2, "keys", include_str!("../../../migrations/0002_keys.up.sql")),
    (3, "change log", include_str!("../../../migrations/0003_change_log.up.sql")),
];

/// The names of the triggers that are not there, or that do not fire after every statement of every session; NULL
/// where none is missing. A `tgtype` is the event of a statement's AFTER trigger (PostgreSQL's `pg_trigger.h`).
pub(super) const MISSING_TRIGGERS: &str = "
SELECT array_agg(name || '_' || event || '_logged')
FROM (VALUES ('students', 'log_changed_students'), ('natural_science_results', 'log_changed_results'),
             ('social_science_results', 'log_changed_results')) AS tracked (name, log),
     (VALUES ('insert'), ('update'), ('delete'), ('truncate')) AS events (event)
WHERE NOT EXISTS (
  SELECT FROM pg_trigger
  WHERE tgrelid = to_regclass(name) AND tgname = name || '_' || event || '_logged' AND tgenabled = 'A'
    AND tgfoid = to_regproc(CASE event WHEN 'truncate' THEN 'log_truncation' ELSE log END) AND tgqual IS NULL
    AND tgtype = CASE event WHEN 'insert' THEN 4 WHEN 'delete' THEN 8 WHEN 'update' THEN 16 ELSE 32 END
)";

/// Applies the migrations up to this one, or all, that have not been applied. Several callers wait for each other.
pub(super) async fn migrate(connection: &mut PgConnection, up_to: Option<i64>) -> Result<(), SourceError> {
    let migrations = MIGRATIONS.map(|(version, description, sql)| {
        let sql = sqlx::SqlSafeStr::into_sql_str(sql);
        Migration::new(version, Cow::Borrowed(description), MigrationType::ReversibleUp, sql, false)
    });
    let migrator = Migrator::with_migrations(migrations.into());
    migrator.run_direct(up_to, connection, false).await?;
    Ok(())
}

pub(super) fn without_triggers(place: &str, missing: &[String]) -> SourceError {
    SourceError::Unlogged(format!(
        "{place} has no trigger {} as this program makes it, so changes may have gone unlogged; restore the \
         trigger and call log_changes('{{0}}'), or seed a new database",
        missing.join(", ")
    ))
}

pub(super) fn standby(place: &str) -> SourceError {
    SourceError::Unusable(format!(
        "{place} is a standby: it does not see which transactions are in flight on its primary; give the URL of \
         the primary"
    ))
}
