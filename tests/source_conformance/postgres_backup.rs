//! PostgreSQL: a backup in the place of the database hides no change, though it uses transactions again.

use results_day::{
    changes::{ChangeLog, Snapshot},
    source::{LookedUp, Origin, Source},
};

use crate::{
    Database, changed_since, generated, id, now,
    postgres::{CLUSTER, Corrector, PostgresDatabase},
    seeded,
    servers::Postgres,
};

async fn published(source: &dyn Source) -> Origin {
    source.snapshot().await.unwrap().origin().clone()
}

async fn incarnation(source: &dyn Source) -> String {
    source.changes_since(&Snapshot::NOTHING).await.unwrap().incarnation
}

async fn whole_log(source: &dyn Source) -> ChangeLog {
    source.changes_since(&Snapshot::NOTHING).await.unwrap().rows.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_restored_in_place_holds_what_was_before_it_and_gives_used_transactions_other_tokens() {
    let mut cluster = Postgres::start();
    let database = PostgresDatabase::of(&cluster);
    let source = seeded(&database).await;
    // Nobody but this test takes numbers for transactions.
    database.edit("ALTER SYSTEM SET autovacuum = off").await;
    database.edit("SELECT pg_reload_conf()").await;
    let before = published(&*source).await;
    database.edit("UPDATE students SET name = 'Saved' WHERE id = 4").await;
    let backup = cluster.backup();
    database.edit("UPDATE students SET name = 'Lost' WHERE id = 5").await;
    let after = published(&*source).await;
    assert!(source.holds(&before).await.unwrap() && source.holds(&after).await.unwrap());
    let known = whole_log(&*source).await;
    let lost = known.standing(id(5)).own.unwrap();
    let last = source.changes_since(&after.snapshot).await.unwrap();

    cluster.stop();
    cluster.restore(&backup);
    cluster.resume();
    assert!(source.holds(&before).await.unwrap());
    assert!(!source.holds(&after).await.unwrap());
    assert_ne!(incarnation(&*source).await, last.incarnation);
    assert_eq!(changed_since(&*source, &before.snapshot).await, [4]);
    let LookedUp { student, standing, .. } = source.student(id(5)).await.unwrap();
    assert_eq!(student, Some(generated(5)));
    assert_eq!(standing.own, None);

    // The number of the correction that was lost is given to another.
    let mut corrector = database.corrector().await;
    while corrector.ask("pg_snapshot_xmax(pg_current_snapshot())").await != lost.transaction.to_string() {
        corrector.ask("pg_current_xact_id()").await;
    }
    corrector.run("UPDATE students SET name = 'Again' WHERE id = 6").await;
    let LookedUp { student, standing, .. } = source.student(id(6)).await.unwrap();
    assert_eq!(student.unwrap().name, "Again");
    let again = standing.own.unwrap();
    assert_eq!(again.transaction, lost.transaction);
    assert_ne!(again.token, lost.token);
    // To ask on with what was heard before would hide it, which is why the incarnation is another one.
    assert_eq!(changed_since(&*source, &last.snapshot).await, [0; 0]);
    assert_eq!(changed_since(&*source, &before.snapshot).await, [4, 6]);
    let heard = whole_log(&*source).await;
    for (student, same) in [(4, true), (5, false), (6, false), (7, true)] {
        let standing = source.student(id(student)).await.unwrap().standing;
        assert_eq!(standing == known.standing(id(student)), same, "{student}");
        assert_eq!(standing, heard.standing(id(student)));
    }
    assert!(!source.holds(&after).await.unwrap());
    assert!(source.holds(&published(&*source).await).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_in_another_cluster_is_complete_and_holds_nothing_of_the_first() {
    let other = Postgres::start();
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    database.edit("UPDATE students SET name = 'Saved' WHERE id = 4").await;
    let ours = published(&*source).await;
    let copy = PostgresDatabase::of(&other);
    Postgres::restore_dump(&copy.url, &CLUSTER.dump(&database.url), &[]);

    let copied = copy.source();
    let theirs = published(&*copied).await;
    assert_eq!(theirs.data_set, ours.data_set);
    assert_ne!(theirs.system, ours.system);
    assert!(source.holds(&ours).await.unwrap() && !source.holds(&theirs).await.unwrap());
    assert!(copied.holds(&theirs).await.unwrap() && !copied.holds(&ours).await.unwrap());
    assert_eq!(copied.student(id(4)).await.unwrap().student.unwrap().name, "Saved");
    // The triggers came with the tables, and fire in every session.
    let before = now(&*copied).await;
    copy.edit("SET session_replication_role = replica; UPDATE students SET name = 'X' WHERE id = 9").await;
    // What transactions of the other cluster did may be news here again: too much, and never too little.
    assert!(changed_since(&*copied, &before).await.contains(&9));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_restored_while_the_server_runs_is_another_incarnation() {
    // Under another name first, or in the place of the tables.
    for by_name in [true, false] {
        let database = PostgresDatabase::new();
        let source = seeded(&database).await;
        let before = published(&*source).await;
        database.edit("UPDATE students SET name = 'Saved' WHERE id = 4").await;
        let dump = CLUSTER.dump(&database.url);
        database.edit("UPDATE students SET name = 'Lost' WHERE id = 5").await;
        let after = published(&*source).await;
        let heard = source.changes_since(&after.snapshot).await.unwrap();
        assert_eq!(source.changes_since(&heard.snapshot).await.unwrap().incarnation, heard.incarnation);

        if by_name {
            let restored = PostgresDatabase::new();
            Postgres::restore_dump(&restored.url, &dump, &[]);
            let mut corrector = Corrector::at(&CLUSTER.url("postgres")).await;
            let (name, restored) = (database.name(), restored.name());
            corrector
                .run(&format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
                ))
                .await;
            corrector
                .until(&format!("NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = '{name}')"))
                .await;
            corrector.run(&format!("ALTER DATABASE {name} RENAME TO {name}_old")).await;
            corrector.run(&format!("ALTER DATABASE {restored} RENAME TO {name}")).await;
        } else {
            Postgres::restore_dump(&database.url, &dump, &["--clean", "--single-transaction"]);
        }
        let found = source.changes_since(&heard.snapshot).await.unwrap();
        assert_eq!((found.data_set, found.rows), (heard.data_set, vec![]));
        assert_ne!(found.incarnation, heard.incarnation);
        assert!(source.holds(&before).await.unwrap());
        assert!(!source.holds(&after).await.unwrap());
        assert_eq!(changed_since(&*source, &before.snapshot).await, [4]);
        assert_eq!(source.student(id(5)).await.unwrap().student, Some(generated(5)));
    }
}
