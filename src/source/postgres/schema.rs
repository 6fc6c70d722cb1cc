use std::borrow::Cow;

use sqlx::{
    PgConnection,
    migrate::{Migration, MigrationType, Migrator},
};

use super::super::SourceError;

/// The last migration before a bulk load; those behind it bring the keys and the triggers.
pub(super) const TABLES: i64 = 1;

/// `migrations/` as sqlx's own command line reads it: to go back, run `sqlx migrate revert` there.
const MIGRATIONS: [(i64, &str, &str); 4] = [
    (TABLES, "tables", include_str!("../../../migrations/0001_tables.up.sql")),
    (2, "keys", include_str!("../../../migrations/0002_keys.up.sql")),
    (3, "change log", include_str!("../../../migrations/0003_change_log.up.sql")),
    (4, "blocks", include_str!("../../../migrations/0004_blocks.up.sql")),
];

/// The ways that there are round the change log; NULL where there is none. A trigger is not there, or does not fire
/// after every statement of every session (a `tgtype` is the event of a statement's AFTER trigger, PostgreSQL's
/// `pg_trigger.h`). A subscription feeds a table: that fires no statement triggers. Rows are in a child of a table, which
/// has no triggers of ours.
pub(super) const WAYS_ROUND: &str = "
SELECT array_agg(way ORDER BY way) FROM (
  SELECT CASE WHEN tgname IS NULL THEN 'no trigger ' || trigger
              WHEN tgenabled = 'D' THEN 'a trigger ' || trigger || ' that is off'
              WHEN tgenabled <> 'A' THEN 'a trigger ' || trigger || ' that is not enabled ALWAYS'
              ELSE 'a trigger ' || trigger || ' that is not as the migrations make it' END
  FROM (VALUES ('students', 'log_changed_students'), ('natural_science_results', 'log_changed_results'),
               ('social_science_results', 'log_changed_results')) AS tracked (name, log)
  CROSS JOIN (VALUES ('insert'), ('update'), ('delete'), ('truncate')) AS events (event)
  CROSS JOIN LATERAL (SELECT name || '_' || event || '_logged') AS triggers (trigger)
  LEFT JOIN pg_trigger ON tgrelid = to_regclass(name) AND tgname = trigger
  WHERE (tgenabled = 'A' AND tgqual IS NULL
         AND tgfoid = to_regproc(CASE event WHEN 'truncate' THEN 'log_truncation' ELSE log END)
         AND tgtype = CASE event WHEN 'insert' THEN 4 WHEN 'delete' THEN 8 WHEN 'update' THEN 16 ELSE 32 END
        ) IS NOT TRUE
  UNION ALL
  SELECT 'a subscription that feeds ' || srrelid::regclass::text FROM pg_subscription_rel
  WHERE srrelid IN (to_regclass('students'), to_regclass('natural_science_results'),
                    to_regclass('social_science_results'))
  UNION ALL
  SELECT 'a table that inherits from ' || inhparent::regclass::text FROM pg_inherits
  WHERE inhparent IN (to_regclass('students'), to_regclass('natural_science_results'),
                      to_regclass('social_science_results'))
) AS ways (way)";

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

pub(super) fn unlogged(place: &str, ways_round: &[String]) -> SourceError {
    SourceError::Unlogged(format!(
        "{place} has {}, so changes may have gone unlogged; put that right as the tables' owner (ALTER TABLE … ENABLE \
         ALWAYS TRIGGER … where one is there; else make it as the migrations do), call log_changes('{{0}}') then, or \
         seed a new database",
        ways_round.join(", ")
    ))
}

pub(super) fn standby(place: &str) -> SourceError {
    SourceError::Unusable(format!(
        "{place} is a standby: it does not see which transactions are in flight on its primary; give the URL of \
         the primary"
    ))
}

pub(super) fn anonymous(place: &str) -> SourceError {
    SourceError::Unusable(format!("{place} has lost the row that names its data set"))
}
