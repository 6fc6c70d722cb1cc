use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rusqlite::{Connection, Params};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    document,
    programs::{Ran, program},
    sealed::sealed,
    server::Server,
    watcher::Watcher,
};

/// A nation in a folder of its own: `results.db`, `bucket/`, and what servers keep.
pub(crate) struct Nation {
    folder: TempDir,
    students: u32,
}

/// What belongs to one SQLite database. The database itself comes first.
const FILES: [&str; 3] = ["results.db", "results.db-wal", "results.db-shm"];

impl Nation {
    /// A folder without anything in it.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), students: 0 }
    }

    /// The nation of this seed in a database.
    pub(crate) fn seeded(seed: u64, students: u32) -> Self {
        let nation = Self { students, ..Self::empty() };
        nation
            .run("db-seeder", &["--seed", &seed.to_string(), "--students", &students.to_string()])
            .succeeded();
        nation
    }

    /// A nation of 3,000, with its first release.
    pub(crate) fn published() -> Self {
        let nation = Self::seeded(1, 3_000);
        nation.publish();
        nation
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn bucket(&self) -> PathBuf {
        self.path("bucket")
    }

    pub(crate) fn ids(&self) -> std::ops::RangeInclusive<u32> {
        1..=self.students
    }

    /// Runs one of the programs with this nation's database and bucket.
    pub(crate) fn run(&self, name: &str, flags: &[&str]) -> Ran {
        let mut command = program(name, self.folder.path());
        if name == "publish" && !flags.contains(&"--bucket") {
            command.args(["--bucket", "./bucket"]);
        }
        if !flags.contains(&"verify") {
            command.args(["--database", "sqlite:results.db"]);
        }
        Ran::of(command.args(flags))
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
        let mut command = program("publish", self.folder.path());
        command.args(["--database", "sqlite:results.db", "--bucket", "./bucket", "--watch"]).args(flags);
        Watcher::start(&mut command)
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

    /// Starts a server of this nation.
    pub(crate) fn serve(&self) -> Server {
        self.serve_with(&["--database", "sqlite:results.db"])
    }

    /// Starts a server of this nation's bucket alone.
    pub(crate) fn serve_static(&self) -> Server {
        self.serve_with(&[])
    }

    pub(crate) fn serve_with(&self, flags: &[&str]) -> Server {
        Server::start(self.folder.path(), flags)
    }

    /// A connection to the database, as an administrator has it.
    pub(crate) fn connect(&self) -> Connection {
        let database = Connection::open(self.path(FILES[0])).unwrap();
        database.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        database.pragma_update(None, "foreign_keys", true).unwrap();
        database
    }

    /// Edits the database in one transaction; how many rows the statement touched.
    pub(crate) fn edit(&self, sql: &str, parameters: impl Params) -> usize {
        self.connect().execute(sql, parameters).unwrap()
    }

    /// Corrects a student, whatever the stream, so that the document has never been the same before.
    pub(crate) fn correct(&self, id: u32) {
        let changed = self.edit("UPDATE students SET name = name || ' +' WHERE id = ?", [id]);
        assert_eq!(changed, 1, "there is no student {id}");
    }

    /// What everybody should see of this student, by the database as it is now.
    pub(crate) fn expected(&self, id: u32) -> Option<Vec<u8>> {
        document::expected(&self.connect(), id)
    }

    /// The document of a student who is there.
    #[track_caller]
    pub(crate) fn document(&self, id: u32) -> Vec<u8> {
        self.expected(id).unwrap_or_else(|| panic!("student {id} has no result"))
    }

    pub(crate) fn documents(&self, ids: impl IntoIterator<Item = u32>) -> BTreeMap<u32, Vec<u8>> {
        let database = self.connect();
        ids.into_iter().filter_map(|id| Some((id, document::expected(&database, id)?))).collect()
    }

    /// Takes the database away, as a failing disk or a careless hand would.
    pub(crate) fn take_database_away(&self) {
        for name in FILES {
            self.rename(name, &format!("{name}.away"));
        }
    }

    /// Brings it back, the file that makes it a database last.
    pub(crate) fn bring_database_back(&self) {
        for name in FILES.iter().rev() {
            self.rename(&format!("{name}.away"), name);
        }
    }

    fn rename(&self, from: &str, to: &str) {
        match fs::rename(self.path(from), self.path(to)) {
            // The log and its index are only there while somebody has the database open.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed.unwrap(),
        }
    }

    pub(crate) fn manifest_path(&self, number: u64) -> PathBuf {
        self.bucket().join(format!("releases/{number:020}.json"))
    }

    pub(crate) fn manifest(&self, number: u64) -> Value {
        serde_json::from_slice(&fs::read(self.manifest_path(number)).unwrap()).unwrap()
    }

    /// Puts a manifest in the bucket, in one step, as nobody but its publisher would.
    pub(crate) fn put_manifest(&self, number: u64, manifest: &Value) {
        put_manifest(&self.bucket(), number, manifest);
    }

    /// The keys of a release's shards, by prefix.
    pub(crate) fn shards(&self, number: u64) -> BTreeMap<u64, String> {
        let manifest = self.manifest(number);
        let keys = manifest["shards"].as_array().unwrap().iter().map(|shard| shard["key"].as_str().unwrap());
        keys.map(|key| (key.split('/').nth(1).unwrap().parse().unwrap(), key.to_owned())).collect()
    }

    /// The releases that there are, in order. What a killed publisher was still writing is none.
    pub(crate) fn releases(&self) -> Vec<u64> {
        let files = files(&self.bucket().join("releases")).into_keys();
        files.filter_map(|path| path.file_name()?.to_str()?.strip_suffix(".json")?.parse().ok()).collect()
    }
}

/// Every file below a folder, with when it was written and its bytes.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let written = fs::metadata(&path).unwrap().modified().unwrap();
            let bytes = fs::read(&path).unwrap();
            found.insert(path, (written, bytes));
        }
    }
    found
}

/// Puts a manifest in this bucket, in one step.
pub(crate) fn put_manifest(bucket: &Path, number: u64, manifest: &Value) {
    let mut manifest = manifest.clone();
    manifest.as_object_mut().unwrap().remove("sha256");
    let path = bucket.join(format!("releases/{number:020}.json"));
    let beside = bucket.join("manifest");
    fs::write(&beside, sealed(&manifest.to_string())).unwrap();
    fs::rename(beside, path).unwrap();
}
