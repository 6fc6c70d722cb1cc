//! PostgreSQL: polls stay two look-ups in the index, and survive a network that says nothing any more.

use std::time::{Duration, Instant};

use results_day::{changes::Snapshot, source};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};

use crate::{
    Database, changed_since, generated, id, now,
    postgres::{Corrector, PostgresDatabase},
    seeded,
};

/// How often the log was read as a whole, looked up in the index by transaction, and how many entries that gave.
async fn reads(observer: &mut Corrector) -> [i64; 3] {
    let reads = "SELECT seq_scan || ' ' || i.idx_scan || ' ' || idx_tup_read FROM pg_stat_user_tables AS t \
                 JOIN pg_stat_user_indexes AS i USING (relid) WHERE indexrelname = 'changes_by_transaction'";
    let reads = observer.ask(reads).await;
    let mut reads = reads.split(' ').map(|number| number.parse().unwrap());
    std::array::from_fn(|_| reads.next().unwrap())
}

#[tokio::test]
async fn a_poll_reads_what_is_new_by_index_however_much_changed_since_an_old_transaction_began() {
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let mut old = database.corrector().await;
    old.begin().await;
    old.run("UPDATE students SET name = 'Old' WHERE id = 5").await;
    database
        .edit("SELECT log_changes(array_agg(id)) FROM generate_series(1000000, 1099999) AS ids (id)")
        .await;
    let mut observer = database.corrector().await;
    // With and without statistics, and then as if many transactions had made those changes, in no order. None of this
    // reads all of the log itself, which would be counted as well.
    let scatter = "SET enable_seqscan = off; \
                   UPDATE changes SET changed = (3 + student_id::bigint * 7919 % 700)::text::xid8 \
                   WHERE student_id >= 1000000; ANALYZE changes";
    for change in ["ANALYZE data_set", "ANALYZE changes", scatter] {
        database.edit(change).await;
        // A source that began with the whole log would read the index from end to end.
        let mut since: Snapshot = observer.ask("pg_current_snapshot()").await.parse().unwrap();
        let before = reads(&mut observer).await;
        // What was counted reaches the statistics a second later, when the session comes to rest.
        let started = Instant::now();
        let mut after = before;
        while after[1] < before[1] + 500 {
            assert!(started.elapsed() < Duration::from_secs(30), "{before:?} {after:?}");
            for _ in 0..20 {
                let polled = source.changes_since(&since).await.unwrap();
                assert_eq!(polled.rows, []);
                since = polled.snapshot;
            }
            after = reads(&mut observer).await;
        }
        assert_eq!(after[0], before[0], "somebody read all of the log");
        // A poll finds what the old transaction wrote, and that it is not committed yet; no more.
        assert!(after[2] - before[2] <= after[1] - before[1], "{before:?} {after:?}");
        assert!(since.to_string().starts_with(&format!("{}:", since.in_progress()[0])), "{since}");
    }
    let since = now(&*source).await;
    old.run("COMMIT").await;
    assert_eq!(changed_since(&*source, &since).await, [5]);
}

/// A way to a server that can be cut without a word to either end.
struct Wire {
    url: String,
    cuts: watch::Sender<()>,
}

impl Wire {
    async fn to(url: &str) -> Self {
        let server = url.split(['@', '/']).nth(3).unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = url.replace(&server, &listener.local_addr().unwrap().to_string());
        let (cuts, _) = watch::channel(());
        let each = cuts.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (server, mut cut) = (server.clone(), each.subscribe());
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ended = copy_bidirectional(&mut client, &mut server) => {}
                        _cut = cut.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { url, cuts }
    }

    /// Nothing passes any more over what is connected now.
    fn cut(&self) {
        self.cuts.send_replace(());
    }
}

#[tokio::test]
async fn a_network_that_was_cut_without_a_word_is_got_over() {
    let database = PostgresDatabase::new();
    let _seeded = seeded(&database).await;
    let wire = Wire::to(&database.url).await;
    let source = source::connect(&wire.url).unwrap();
    let heard = source.changes_since(&Snapshot::NOTHING).await.unwrap();
    for round in 1..=2 {
        // Everybody waits for an answer when it happens.
        let mut holder = database.corrector().await;
        holder.run("BEGIN; LOCK TABLE changes").await;
        let asking: Vec<_> = (1..=8)
            .map(|number| {
                let source = source.clone();
                tokio::spawn(async move { source.student(id(number)).await.map(drop) })
            })
            .collect();
        let polling = tokio::spawn({
            let source = source.clone();
            async move { source.changes_since(&Snapshot::NOTHING).await.map(drop) }
        });
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'changes'::regclass";
        holder.until(&format!("({waiting}) = 9")).await;
        wire.cut();
        holder.run("ROLLBACK").await;
        // And nobody waits any longer than this.
        for asked in asking.into_iter().chain([polling]) {
            let mut asked = asked;
            assert!(timeout(Duration::from_millis(10), &mut asked).await.is_err());
            asked.abort();
        }
        database.edit(&format!("UPDATE students SET name = 'Round {round}' WHERE id = 5")).await;
        let started = Instant::now();
        while source.changes_since(&heard.snapshot).await.is_err() {
            assert!(started.elapsed() < Duration::from_secs(15), "polls do not come back");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let found = source.changes_since(&heard.snapshot).await.unwrap();
        assert_ne!(found.incarnation, heard.incarnation);
        assert_eq!(changed_since(&*source, &heard.snapshot).await, [5]);
        for number in 1..=8 {
            let student = source.student(id(number)).await.unwrap().student.unwrap();
            let name = if number == 5 { format!("Round {round}") } else { generated(number).name };
            assert_eq!(student.name, name);
        }
    }
}
