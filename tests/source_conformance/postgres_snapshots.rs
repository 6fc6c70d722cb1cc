//! PostgreSQL: what a snapshot sees is what PostgreSQL's own function says that it sees.

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use results_day::changes::Snapshot;

use crate::{Database, changed_since, now, postgres::PostgresDatabase, seeded};

/// Asks PostgreSQL about all the pairs in one statement, and compares.
async fn agree(database: &PostgresDatabase, pairs: Vec<(u64, String)>) {
    let (transactions, snapshots): (Vec<_>, Vec<_>) =
        pairs.iter().map(|(transaction, snapshot)| (transaction.to_string(), snapshot.clone())).unzip();
    let visible: Vec<bool> = sqlx::query_scalar(
        "SELECT pg_visible_in_snapshot(transaction::xid8, snapshot::pg_snapshot) \
         FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS pairs (transaction, snapshot, place) \
         ORDER BY place",
    )
    .bind(transactions)
    .bind(snapshots)
    .fetch_all(&mut database.connection().await)
    .await
    .unwrap();
    assert_eq!(visible.len(), pairs.len());
    for ((transaction, text), visible) in pairs.into_iter().zip(visible) {
        let snapshot: Snapshot = text.parse().unwrap();
        assert_eq!(snapshot.sees(transaction), visible, "{transaction} in {text}");
        assert_eq!(snapshot.to_string(), text);
    }
}

/// A snapshot's text, and the transactions around it.
fn snapshots() -> impl Strategy<Value = (String, Vec<u64>)> {
    // Behind PostgreSQL's 32 bits as well, and with more in progress than it looks through one by one.
    let first = prop_oneof![1_u64..100, (1_u64 << 32) - 50..(1 << 32) + 50, 1_u64..1 << 62];
    let parts = (first, prop::collection::vec(any::<bool>(), 0..80));
    // PostgreSQL gives a number that is 0 in its 32 bits to nobody, and takes it for none at either end.
    let none = |number: u64| number as u32 == 0;
    let parts = parts.prop_filter("an end that is none", move |(xmin, in_progress)| {
        !none(*xmin) && !none(xmin + in_progress.len() as u64)
    });
    parts.prop_map(|(xmin, in_progress)| {
        let xmax = xmin + in_progress.len() as u64;
        let running = (xmin..).zip(in_progress).filter(|(_, running)| *running);
        let running: Vec<_> = running.map(|(transaction, _)| transaction.to_string()).collect();
        let around = (xmin.saturating_sub(3).max(1)..=xmax + 3).chain([1, 1 << 63]);
        (format!("{xmin}:{xmax}:{}", running.join(",")), around.collect())
    })
}

#[tokio::test]
async fn a_snapshot_sees_what_postgresql_says_it_sees() {
    let mut runner = TestRunner::default();
    let mut pairs = Vec::new();
    for _ in 0..500 {
        let (snapshot, transactions) = snapshots().new_tree(&mut runner).unwrap().current();
        pairs.extend(transactions.into_iter().map(|transaction| (transaction, snapshot.clone())));
    }
    agree(&PostgresDatabase::new(), pairs).await;
}

#[tokio::test]
async fn a_snapshot_taken_while_transactions_are_in_flight_sees_those_that_had_committed() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let mut correctors = Vec::new();
    let mut transactions = Vec::new();
    for number in 1..=6 {
        let mut corrector = database.corrector().await;
        transactions.push(corrector.begin().await);
        // A transaction within the transaction has a number of its own, which no snapshot names.
        corrector.run(&format!("SAVEPOINT s; UPDATE students SET name = 'X' WHERE id = {number}")).await;
        correctors.push(corrector);
    }
    let gid = format!("{}_in_flight", database.name());
    for (place, end) in
        [(1, "COMMIT"), (4, "ROLLBACK"), (2, &*format!("PREPARE TRANSACTION '{gid}'")), (5, "COMMIT")]
    {
        correctors[place].run(end).await;
    }
    let polled = now(&*source).await;
    let published = source.snapshot().await.unwrap().origin().snapshot.clone();
    for snapshot in [&polled, &published] {
        let seen = transactions.iter().map(|transaction| snapshot.sees(*transaction));
        // Who rolled back is seen as well: there is nothing to see.
        assert_eq!(seen.collect::<Vec<_>>(), [false, true, false, false, true, true], "{snapshot}");
        let around = transactions[0] - 3..=transactions[5] + 3;
        agree(&database, around.map(|transaction| (transaction, snapshot.to_string())).collect()).await;
    }
    for (place, end) in [(3, "COMMIT"), (1, &*format!("COMMIT PREPARED '{gid}'")), (0, "ROLLBACK")] {
        correctors[place].run(end).await;
    }
    assert_eq!(changed_since(&*source, &polled).await, [3, 4]);
    assert_eq!(changed_since(&*source, &published).await, [3, 4]);
    assert_eq!(changed_since(&*database.source(), &Snapshot::NOTHING).await, [0, 2, 3, 4, 6]);
}
