//! An examination board that has its results in PostgreSQL or SQLite and its releases in an S3 store.

#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::{collections::BTreeMap, process::Command, sync::LazyLock};

use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, aws::AmazonS3, path::Path};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::servers::{Minio, Postgres, s3};
use crate::system::{Ran, Watcher, program};

/// The servers that all tests share which leave them running.
pub(crate) static CLUSTER: LazyLock<Postgres> = LazyLock::new(Postgres::start);
pub(crate) static MINIO: LazyLock<Minio> = LazyLock::new(Minio::start);

/// What a program finds in its environment, and a way round the programs to the database and to the objects.
pub(crate) struct Board {
    pub(crate) folder: TempDir,
    pub(crate) database: String,
    pub(crate) bucket: String,
    port: u16,
    runtime: Runtime,
}

impl Board {
    /// One with a database of its own in the shared cluster, and a bucket that nobody has created yet.
    pub(crate) fn new(bucket: &str) -> Self {
        Self::at(MINIO.port(), bucket)
    }

    /// One whose store listens on this port.
    pub(crate) fn at(port: u16, bucket: &str) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            database: CLUSTER.database(),
            bucket: bucket.to_owned(),
            port,
            runtime: Runtime::new().unwrap(),
        }
    }

    /// The same with this many students of seed 1.
    pub(crate) fn seeded(self, students: u32) -> Self {
        self.run("db-seeder", &["--students", &students.to_string()]).succeeded();
        self
    }

    /// One of the programs, with everything that it needs in its environment.
    pub(crate) fn program(&self, name: &str, flags: &[&str]) -> Command {
        let mut command = program(name, self.folder.path());
        command.envs(s3::environment(self.port)).env("DATABASE_URL", &self.database);
        command.env("BUCKET", &self.bucket).args(flags);
        command
    }

    pub(crate) fn run(&self, name: &str, flags: &[&str]) -> Ran {
        Ran::of(&mut self.program(name, flags))
    }

    /// Publishes, and reads the whole release again. What `publish` printed.
    pub(crate) fn publish(&self) -> String {
        let said = self.run("publish", &[]).succeeded();
        self.verify();
        said
    }

    pub(crate) fn verify(&self) {
        let said = self.run("publish", &["verify"]).succeeded();
        assert!(said.contains("is whole"), "{said}");
    }

    /// Starts a watcher with these flags.
    pub(crate) fn watch(&self, flags: &[&str]) -> Watcher {
        Watcher::start(self.program("publish", &["--watch"]).args(flags))
    }

    /// Reads every release again; each has a number of its own, and follows the one before.
    pub(crate) fn verify_all(&self) {
        let releases = self.releases();
        assert_eq!(releases, (1..=releases.len() as u64).collect::<Vec<_>>(), "a number is left out");
        for number in releases {
            let parent = number.checked_sub(1).filter(|parent| *parent > 0);
            assert_eq!(self.manifest(number)["parent"].as_u64(), parent);
            self.run("publish", &["verify", &number.to_string()]).succeeded();
        }
    }

    /// Runs these statements as whoever corrects marks would.
    pub(crate) fn edit(&self, sql: &str) {
        self.runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.database).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    }

    /// The one value that a query brings, as text.
    pub(crate) fn value(&self, sql: &str) -> String {
        self.runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.database).await.unwrap();
            let value = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await;
            connection.close().await.unwrap();
            value.unwrap()
        })
    }

    fn objects(&self) -> AmazonS3 {
        let bucket = self.bucket.strip_prefix("s3://").unwrap_or(&self.bucket);
        s3::objects(self.port, bucket.split('/').next().unwrap())
    }

    /// Every key in the bucket, in order.
    pub(crate) fn keys(&self) -> Vec<String> {
        let objects = self.objects();
        let list = objects.list(None).map_ok(|object| object.location.to_string());
        let mut keys: Vec<_> = self.runtime.block_on(list.try_collect()).unwrap();
        keys.sort();
        keys
    }

    /// Puts an object into the bucket, past the programs.
    pub(crate) fn put(&self, key: &str, bytes: Vec<u8>) {
        let (objects, key) = (self.objects(), Path::from(key));
        self.runtime.block_on(async { objects.put(&key, bytes.into()).await.unwrap() });
    }

    /// The object under a key, as JSON.
    pub(crate) fn json(&self, key: &str) -> Value {
        let (objects, key) = (self.objects(), Path::from(key));
        let read = async { objects.get(&key).await.unwrap().bytes().await.unwrap() };
        serde_json::from_slice(&self.runtime.block_on(read)).unwrap()
    }

    /// The numbers of the releases that there are, in order.
    pub(crate) fn releases(&self) -> Vec<u64> {
        let keys = self.keys();
        let numbers = keys.iter().filter_map(|key| key.strip_prefix("releases/")?.strip_suffix(".json"));
        numbers.map(|number| number.parse().unwrap()).collect()
    }

    pub(crate) fn manifest(&self, number: u64) -> Value {
        self.json(&format!("releases/{number:020}.json"))
    }

    /// The keys of a release's shards, by prefix.
    pub(crate) fn shards(&self, number: u64) -> BTreeMap<u64, String> {
        shards(&self.manifest(number))
    }
}

/// The keys of a manifest's shards, by prefix.
pub(crate) fn shards(manifest: &Value) -> BTreeMap<u64, String> {
    let keys = manifest["shards"].as_array().unwrap().iter().map(|shard| shard["key"].as_str().unwrap());
    keys.map(|key| (key.split('/').nth(1).unwrap().parse().unwrap(), key.to_owned())).collect()
}

/// What a key says of its blob's content.
pub(crate) fn digest(key: &str) -> &str {
    key.rsplit('/').next().unwrap().split('-').next().unwrap()
}
