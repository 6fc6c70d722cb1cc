//! The log guards itself: against those who may not write to it, and against those who mean well.

use crate::{
    Database, changed_since, now,
    postgres::{CLUSTER, Corrector, PostgresDatabase},
    seeded,
    seeding::unusable,
};

/// What the database says to a statement that it refuses.
async fn refused(corrector: &mut Corrector, sql: &str) -> String {
    let answer = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut corrector.connection).await;
    answer.unwrap_err().to_string()
}

#[tokio::test]
async fn the_log_is_never_pruned() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let before = now(&*source).await;
    database.edit("UPDATE students SET name = 'Corrected' WHERE id = 5").await;
    let mut corrector = database.corrector().await;
    for sql in ["DELETE FROM changes", "DELETE FROM changes WHERE student_id = 5", "TRUNCATE changes"] {
        let error = refused(&mut corrector, sql).await;
        assert!(error.contains("the change log is never pruned"), "{sql}: {error}");
    }
    assert_eq!(changed_since(&*source, &before).await, [5]);
}

#[tokio::test]
async fn nobody_but_the_owner_sends_everybody_to_the_live_path() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let before = now(&*source).await;
    let role = format!("visitor_of_{}", database.name());
    database.edit(&format!("CREATE ROLE {role}")).await;
    let mut corrector = database.corrector().await;
    corrector.run(&format!("SET ROLE {role}")).await;
    let error = refused(&mut corrector, "SELECT public.log_changes('{0}')").await;
    assert!(error.contains("permission denied for function log_changes"), "{error}");
    assert_eq!(changed_since(&*source, &before).await, [0; 0]);
}

#[tokio::test]
async fn a_student_who_cannot_be_is_not_logged() {
    let database = PostgresDatabase::new();
    let _source = seeded(&database).await;
    let mut corrector = database.corrector().await;
    for ids in ["{-1}", "{1000000000}"] {
        let error = refused(&mut corrector, &format!("SELECT log_changes('{ids}')")).await;
        assert!(error.contains("changes_student_id_check"), "{error}");
    }
}

#[tokio::test]
async fn functions_in_public_that_fit_the_arguments_better_do_not_stand_in_for_the_systems() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let before = now(&*source).await;
    database
        .edit(
            "CREATE FUNCTION public.unnest(integer[]) RETURNS SETOF integer LANGUAGE sql AS 'SELECT 1 WHERE false'; \
             CREATE FUNCTION public.uuid_hash_extended(uuid, integer) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'; \
             CREATE FUNCTION public.nothing(integer[], integer) RETURNS integer[] LANGUAGE sql AS 'SELECT NULL::integer[]'; \
             CREATE AGGREGATE public.array_agg(integer) (SFUNC = public.nothing, STYPE = integer[])",
        )
        .await;
    database.edit("UPDATE students SET name = 'Corrected' WHERE id = 5").await;
    assert_eq!(changed_since(&*source, &before).await, [5]);
}

#[tokio::test]
async fn a_table_that_is_fed_round_the_triggers_is_not_believed_in() {
    let [database, upstream] = [PostgresDatabase::new(), PostgresDatabase::new()];
    let source = seeded(&database).await;
    let before = now(&*source).await;
    let _upstream = seeded(&upstream).await;
    let [subscriber, publisher] = [database.name(), upstream.name()];
    upstream.edit("CREATE PUBLICATION everything FOR TABLE students").await;
    upstream.edit(&format!("SELECT pg_create_logical_replication_slot('{subscriber}', 'pgoutput')")).await;
    database
        .edit(&format!(
            "CREATE SUBSCRIPTION {subscriber} CONNECTION 'host=127.0.0.1 port={} user=postgres dbname={publisher}' \
             PUBLICATION everything WITH (create_slot = false, slot_name = '{subscriber}', copy_data = false)",
            CLUSTER.port()
        ))
        .await;
    for problem in [unusable(source.changes_since(&before).await), unusable(source.snapshot().await)] {
        assert!(problem.contains("has a subscription that feeds students"), "{problem}");
    }
    database.edit(&format!("DROP SUBSCRIPTION {subscriber}")).await;
    assert_eq!(changed_since(&*source, &before).await, [0; 0]);

    database.edit("CREATE TABLE late_students () INHERITS (students)").await;
    let problem = unusable(source.changes_since(&before).await);
    assert!(problem.contains("has a table that inherits from students"), "{problem}");
    database.edit("DROP TABLE late_students").await;
    assert_eq!(changed_since(&*source, &before).await, [0; 0]);
}
