//! PostgreSQL: a standby does not know who is at work on its primary, so nobody publishes or follows there.

use results_day::changes::Snapshot;

use crate::{
    Database, PLAN, changed_since, id,
    postgres::{Corrector, PostgresDatabase},
    seeded,
    seeding::unusable,
    servers::Postgres,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_refused_until_it_is_the_primary() {
    let mut primary = Postgres::start();
    let database = PostgresDatabase::of(&primary);
    let on_primary = seeded(&database).await;
    let mut standby = primary.standby();
    let on_standby = PostgresDatabase { url: standby.url(database.name()) };
    let mut reader = Corrector::at(&on_standby.url).await;
    // What the refusal is for: on the primary a transaction is in flight, and the standby's snapshots do not say so.
    let mut writer = database.corrector().await;
    let number = writer.begin().await;
    database.edit("UPDATE students SET name = 'Corrected' WHERE id = 5").await;
    let origin = on_primary.snapshot().await.unwrap().origin().clone();
    assert!(!origin.snapshot.sees(number));
    let arrived = format!("EXISTS (SELECT FROM release_tokens WHERE token = '{}')", origin.token);
    reader.until(&arrived).await;
    let lacking: Snapshot = reader.ask("pg_current_snapshot()").await.parse().unwrap();
    assert!(lacking.sees(number), "{lacking}");

    let source = on_standby.source();
    let refusal = format!(
        "{} is a standby: it does not see which transactions are in flight on its primary; give the URL of the \
         primary",
        source.place()
    );
    assert!(refusal.contains(&format!("127.0.0.1:{}/", standby.port())), "{refusal}");
    for snapshot in [&Snapshot::NOTHING, &origin.snapshot] {
        assert_eq!(unusable(source.changes_since(snapshot).await), refusal);
        assert_eq!(unusable(source.snapshot().await), refusal);
    }
    assert_eq!(unusable(source.begin(PLAN).await), refusal);
    assert_eq!(reader.ask("SELECT count(*) FROM release_tokens").await, "1");

    // The primary is lost, and the transaction in flight with it. What had arrived is held.
    primary.kill();
    reader.run("SELECT pg_promote()").await;
    reader.until("NOT pg_is_in_recovery()").await;
    assert!(source.holds(&origin).await.unwrap());
    assert_eq!(changed_since(&*source, &origin.snapshot).await, [0; 0]);
    on_standby.edit("UPDATE students SET name = 'Corrected' WHERE id = 6").await;
    assert_eq!(changed_since(&*source, &origin.snapshot).await, [6]);
    assert!(source.snapshot().await.is_ok());
    assert_eq!(source.student(id(5)).await.unwrap().student.unwrap().name, "Corrected");
    standby.stop();
}
