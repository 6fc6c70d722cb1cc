use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
};

use tempfile::TempDir;

use super::process::{Server, free_port};

/// A PostgreSQL cluster of its own.
#[derive(Debug)]
pub(crate) struct Postgres {
    server: Option<Server>,
    folder: TempDir,
    port: u16,
}

/// Where Debian's packages have the programs.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// What a test's cluster has otherwise than a new one: prepared transactions are tried, and nothing has to survive
/// the death of this machine. Committed is committed all the same, for whoever kills a server.
const SETTINGS: &str = "
max_prepared_transactions = 20
max_connections = 200
fsync = off
listen_addresses = '127.0.0.1'
max_wal_senders = 4
wal_level = logical
";

impl Postgres {
    /// A new and empty cluster.
    pub(crate) fn start() -> Self {
        let folder = folder();
        let data = folder.path().join("data");
        run(
            &program("initdb"),
            &["-D", text(&data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
        );
        Self::start_in(folder)
    }

    /// The cluster in the folder's `data`.
    pub(crate) fn start_in(folder: TempDir) -> Self {
        let mut postgres = Self { server: None, folder, port: free_port() };
        let settings = format!("{SETTINGS}port = {}\nunix_socket_directories = ''\n", postgres.port);
        std::fs::write(postgres.data().join("test.conf"), settings).unwrap();
        let main = postgres.data().join("postgresql.conf");
        let mut configuration = std::fs::read_to_string(&main).unwrap();
        if !configuration.contains("include 'test.conf'") {
            configuration.push_str("\ninclude 'test.conf'\n");
            std::fs::write(&main, configuration).unwrap();
        }
        postgres.resume();
        postgres
    }

    /// Starts the server again, on the same port.
    pub(crate) fn resume(&mut self) {
        let command = as_postgres(&[&program("postgres"), "-D", text(&self.data())]);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let answers = || {
            let asked = Command::new(program("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status();
            asked.unwrap().success()
        };
        self.server = Some(Server::start(&command, self.folder.path(), answers));
    }

    /// Stops the server; its data stays.
    pub(crate) fn stop(&mut self) {
        self.server = None;
    }

    /// Kills the server, as a failing machine would; its data stays.
    pub(crate) fn kill(&mut self) {
        if let Some(server) = &mut self.server {
            server.kill();
        }
        self.server = None;
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A new database, and the URL that leads to it.
    pub(crate) fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let url = self.url("postgres");
        run(
            &program("psql"),
            &["-qX", "-v", "ON_ERROR_STOP=1", "-d", &url, "-c", &format!("CREATE DATABASE {name}")],
        );
        self.url(&name)
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// A copy of the cluster as it is now, by PostgreSQL's own means.
    pub(crate) fn backup(&self) -> TempDir {
        self.copy(&[])
    }

    /// A server of its own that follows this one and can only be read.
    pub(crate) fn standby(&self) -> Self {
        Self::start_in(self.copy(&["--write-recovery-conf"]))
    }

    /// Puts a backup in the place of the data. The server is stopped.
    pub(crate) fn restore(&mut self, backup: &TempDir) {
        assert!(self.server.is_none(), "the server is running");
        std::fs::remove_dir_all(self.data()).unwrap();
        std::fs::rename(backup.path().join("data"), self.data()).unwrap();
    }

    /// A copy of one database, by PostgreSQL's own means: a file `dump` in a folder.
    pub(crate) fn dump(&self, url: &str) -> TempDir {
        let folder = folder();
        run(&program("pg_dump"), &["-Fc", "-f", text(&folder.path().join("dump")), url]);
        folder
    }

    /// Restores a dump into a database.
    pub(crate) fn restore_dump(url: &str, dump: &TempDir, options: &[&str]) {
        let file = dump.path().join("dump");
        run(&program("pg_restore"), &[&["--exit-on-error", "-d", url], options, &[text(&file)]].concat());
    }

    fn copy(&self, options: &[&str]) -> TempDir {
        let folder = folder();
        let target = folder.path().join("data");
        let port = self.port.to_string();
        let from_here = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-c", "fast", "--no-sync"];
        run(&program("pg_basebackup"), &[&from_here[..], &["-D", text(&target)], options].concat());
        folder
    }
}

/// A folder that PostgreSQL may use.
fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("results-day-postgres-").tempdir().unwrap();
    if is_root() {
        let owned = Command::new("chown").arg("postgres").arg(folder.path()).status().unwrap();
        assert!(owned.success(), "the user postgres, who comes with Debian's package, is missing");
    }
    folder
}

/// Neither `initdb` nor `postgres` run as root.
fn as_postgres(command: &[&str]) -> Vec<String> {
    let user: &[&str] =
        if is_root() { &["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] } else { &[] };
    user.iter().chain(command).map(|&word| word.to_owned()).collect()
}

fn run(program: &str, arguments: &[&str]) {
    let words = as_postgres(&[&[program], arguments].concat());
    let Output { status, stdout, stderr } =
        Command::new(&words[0]).args(&words[1..]).current_dir("/").output().unwrap();
    let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(status.success(), "{program}: {}{}", said(&stdout), said(&stderr));
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

fn program(name: &str) -> String {
    let path = format!("{PROGRAMS}/{name}");
    assert!(Path::new(&path).exists(), "{path} is missing: run `make tools` first");
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
