#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::{collections::BTreeMap, sync::Arc};

use object_store::memory::InMemory;
use publish::{Publisher, metrics::Work, summary::Outcome};
use results_day::{
    release::{Digest, Manifest, ReleaseStore},
    source::{self, SeedPlan, Seeded, Source},
    student::{StudentId, generator::Generator},
};
use rusqlite::Connection;
use tempfile::TempDir;

/// The results of an exam, in a SQLite file of their own.
pub(crate) struct Exam {
    folder: TempDir,
    pub(crate) source: Arc<dyn Source>,
}

impl Exam {
    /// So many students, with ids from 1.
    pub(crate) async fn of(students: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source =
            source::connect(&format!("sqlite:{}", folder.path().join("results.db").display())).unwrap();
        let plan = SeedPlan { seed: 1, students, batch: 1_000 };
        let nation = Generator::new(plan.seed);
        let Seeded::Missing(batches) = source.begin(plan).await.unwrap() else { panic!("seeded already") };
        for batch in batches {
            let students = batch.clone().map(|number| nation.student(StudentId::new(number).unwrap()));
            source.load(batch, students.collect()).await.unwrap();
        }
        source.finish().await.unwrap();
        Self { folder, source }
    }

    /// A connection as whoever corrects marks has it.
    pub(crate) fn connect(&self) -> Connection {
        let connection = Connection::open(self.folder.path().join("results.db")).unwrap();
        connection.pragma_update(None, "foreign_keys", true).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        connection
    }

    /// Corrects the results, in one transaction.
    pub(crate) fn edit(&self, sql: &str) {
        self.connect()
            .execute_batch(&format!("BEGIN; {sql}; COMMIT"))
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// A plain `publish`.
    pub(crate) async fn publish(&self, store: &ReleaseStore) -> anyhow::Result<Outcome> {
        publish::publish(
            self.source.as_ref(),
            store,
            Publisher::Person { not_before: None },
            &Work::default(),
        )
        .await
    }

    /// What a full publication of the results as they are now consists of.
    pub(crate) async fn whole(&self) -> Manifest {
        let store = ReleaseStore::new(Arc::new(InMemory::new()), "empty".to_owned());
        self.publish(&store).await.unwrap();
        store.current().await.unwrap().unwrap()
    }
}

/// What is in each shard of a release, whoever wrote it.
pub(crate) fn content(manifest: &Manifest) -> BTreeMap<u32, Digest> {
    manifest.shards.iter().map(|shard| (shard.key.prefix, shard.key.digest)).collect()
}
