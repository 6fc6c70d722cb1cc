use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    servers::free_port,
    system::{Answer, Client, within},
};

/// The whole stack at work.
pub(crate) struct Stack {
    folder: PathBuf,
    settings: Vec<(String, String)>,
    /// What `stack.env` says.
    environment: BTreeMap<String, String>,
    /// Takes the stack down when this process ends, however it ends.
    _keeper: Child,
}

/// Small enough to be up in seconds, and of more than one shard.
pub(crate) const STUDENTS: u32 = 20_000;

/// Takes the stack down at the end of standard input.
const KEEPER: &str = r#"read -r _; "$1" down; rm -rf "$2""#;

static STACK: LazyLock<Mutex<Stack>> = LazyLock::new(|| Mutex::new(Stack::new(Around::Nothing)));

/// The stack, to oneself and whole, with everybody published as they are now: what another test corrected is nobody's
/// reason to be told to come back.
pub(crate) fn stack() -> MutexGuard<'static, Stack> {
    // A test that failed may have left parts dead.
    let mut stack = STACK.lock().unwrap_or_else(PoisonError::into_inner);
    stack.up();
    stack.all_serve(stack.publish());
    stack
}

/// What runs around the parts that answer: the watcher, the exporters, Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Around {
    /// Nobody publishes by itself.
    Nothing,
    Everything,
}

impl Stack {
    pub(crate) fn new(around: Around) -> Self {
        let folder = tempfile::Builder::new().prefix("results-day-stack-").tempdir().unwrap().keep();
        let programs = Path::new(env!("CARGO_BIN_EXE_db-seeder")).parent().unwrap();
        let mut settings: Vec<(String, String)> = [
            ("STACK_DIR", folder.join("stack").display().to_string()),
            ("STACK_ENV", folder.join("stack.env").display().to_string()),
            ("PROGRAMS", programs.display().to_string()),
            ("STUDENTS", STUDENTS.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let wanted = if around == Around::Everything { "yes" } else { "no" };
        settings.extend(["WATCHER", "MONITORING"].map(|name| (name.to_owned(), wanted.to_owned())));
        let exporters =
            ["NODE_EXPORTER", "NGINX_EXPORTER", "REDIS_EXPORTER", "POSTGRES_EXPORTER", "BLACKBOX_EXPORTER"];
        for name in ["NGINX", "NGINX_STATUS", "POSTGRES", "REDIS", "MINIO", "WATCHER", "PROMETHEUS"]
            .into_iter()
            .chain(exporters)
        {
            settings.push((format!("{name}_ADDRESS"), format!("127.0.0.1:{}", free_port())));
        }
        for number in 1..=3 {
            for name in ["ADDRESS", "ADMIN_ADDRESS"] {
                settings.push((format!("REPLICA_{number}_{name}"), format!("127.0.0.1:{}", free_port())));
            }
        }
        let keeper = Command::new("bash")
            .args(["-c", KEEPER, "keeper", "infra/stack"])
            .arg(&folder)
            .envs(settings.clone())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { folder, settings, environment: BTreeMap::new(), _keeper: keeper }
    }

    /// Starts what is not running, as a person would.
    pub(crate) fn up(&mut self) {
        self.up_with(&[]);
    }

    /// Starts what is not running, with these variables beside the stack's own.
    pub(crate) fn up_with(&mut self, variables: &[(&str, &str)]) {
        let log = fs::File::create(self.folder.join("up.log")).unwrap();
        let ran = Command::new("infra/stack")
            .arg("up")
            .envs(self.settings.clone())
            .envs(variables.iter().copied())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .status()
            .unwrap();
        let said = fs::read_to_string(self.folder.join("up.log")).unwrap();
        assert!(ran.success(), "infra/stack up failed:\n{said}");
        let shell = Command::new("bash")
            .args(["-c", ". \"$1\"; env -0", "bash"])
            .arg(self.environment_file())
            .env_clear()
            .output()
            .unwrap();
        let variables = String::from_utf8(shell.stdout).unwrap();
        let pairs = variables.split('\0').filter_map(|pair| pair.split_once('='));
        self.environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    }

    /// A variable of `stack.env`.
    pub(crate) fn get(&self, name: &str) -> &str {
        &self.environment[name]
    }

    /// All of `stack.env`.
    pub(crate) fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    pub(crate) fn environment_file(&self) -> PathBuf {
        self.folder.join("stack.env")
    }

    /// What the parts keep, and their logs.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("stack")
    }

    /// Where NGINX answers.
    pub(crate) fn front(&self) -> String {
        self.address("BASE_URL")
    }

    /// Where each replica answers.
    pub(crate) fn replicas(&self) -> [String; 3] {
        [1, 2, 3].map(|number| self.address(&format!("REPLICA_{number}_URL")))
    }

    fn address(&self, name: &str) -> String {
        self.get(name).strip_prefix("http://").unwrap().to_owned()
    }

    /// Kills a part as the death of its machine would: `POSTGRES`, `REDIS`, `MINIO`, `REPLICA_1` and so on.
    pub(crate) fn kill(&self, part: &str) {
        let kill = "children=$(pgrep -P $1); kill -STOP $1; kill -KILL $children $1";
        let pid = self.get(&format!("{part}_PID"));
        let killed = Command::new("sh").args(["-c", kill, "sh", pid]).status().unwrap();
        assert!(killed.success(), "{part} could not be killed");
    }

    /// What a replica or NGINX answers on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(address: &str, target: &str) -> Answer {
        Client::tcp(address).unwrap().get(target)
    }

    /// Waits until every replica serves this release and hears the database.
    pub(crate) fn all_serve(&self, release: u64) {
        for replica in self.replicas() {
            within(Duration::from_secs(30), "a replica serves the release", || {
                let status = Self::ask(&replica, "/release.json").json();
                let age = status["changes"]["age_seconds"].as_f64();
                (status["release"] == release && age.is_some_and(|age| age < 1.0)).then_some(())
            });
        }
    }

    /// The number of the release that is served.
    pub(crate) fn release(&self) -> u64 {
        Self::ask(&self.front(), "/release.json").json()["release"].as_u64().unwrap()
    }

    /// Runs one of the programs against the stack.
    pub(crate) fn run(&self, name: &str, arguments: &[&str]) -> crate::system::Ran {
        let mut command = crate::system::program(name, &self.folder);
        crate::system::Ran::of(command.args(arguments).envs(self.environment()))
    }

    /// Publishes what has changed; the number of the current release.
    #[track_caller]
    pub(crate) fn publish(&self) -> u64 {
        let said = self.run("publish", &[]).succeeded();
        let number =
            said.strip_prefix("release ").and_then(|rest| rest.split([':', ' ']).next()?.parse().ok());
        number.unwrap_or_else(|| panic!("no release: {said}"))
    }

    /// Runs SQL statements as whoever corrects marks.
    #[track_caller]
    pub(crate) fn sql(&self, statements: &str) -> String {
        let psql = Command::new("psql")
            .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-d", self.get("DATABASE_URL"), "-c", statements])
            .output()
            .unwrap();
        assert!(psql.status.success(), "{statements}: {}", String::from_utf8_lossy(&psql.stderr));
        String::from_utf8(psql.stdout).unwrap()
    }
}

/// A `psql` that stays, so that a correction is a matter of its commit.
pub(crate) struct Corrector {
    psql: Child,
    answers: BufReader<ChildStdout>,
}

impl Corrector {
    pub(crate) fn connect(url: &str) -> Self {
        let mut psql = Command::new("psql")
            .args(["-qAtX", "-d", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let answers = BufReader::new(psql.stdout.take().unwrap());
        Self { psql, answers }
    }

    /// Runs one statement that returns one line. Whether it was acknowledged: where the connection is lost nobody knows
    /// what became of the statement.
    pub(crate) fn commit(&mut self, statement: &str) -> bool {
        let stdin = self.psql.stdin.as_mut().unwrap();
        let sent =
            stdin.write_all(format!("{statement};\n\\echo .\n").as_bytes()).and_then(|()| stdin.flush());
        let mut lines = 0;
        let mut line = String::new();
        while sent.is_ok() && self.answers.read_line(&mut line).is_ok_and(|read| read > 0) {
            if line == ".\n" {
                return lines == 1;
            }
            lines += 1;
            line.clear();
        }
        false
    }
}

impl Drop for Corrector {
    fn drop(&mut self) {
        let _gone = self.psql.kill();
        let _gone = self.psql.wait();
    }
}
