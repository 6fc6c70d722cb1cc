use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use super::{
    client::{Answer, Client},
    metrics::Metrics,
    programs::{Ran, Running, program},
    waiting::{eventually, within},
};

/// A server at work, on ports of its own.
pub(crate) struct Server {
    running: Running,
    folder: PathBuf,
    flags: Vec<String>,
    environment: BTreeMap<String, String>,
    /// How long a file it may write, in the blocks of `ulimit -f`.
    limit: Option<u32>,
    log: Log,
    /// Where it listens, in the order of the flags.
    pub(crate) addresses: Vec<String>,
    pub(crate) admin: String,
}

/// What it has written to stderr so far.
type Log = Arc<Mutex<Vec<String>>>;

/// With a drain of one second, and five for the last answer.
const STOPPING: Duration = Duration::from_secs(10);

impl Server {
    /// Starts one with these flags beside the bucket and the cache directory, and waits until it listens.
    pub(crate) fn start(folder: &Path, flags: &[&str]) -> Self {
        Self::start_in(folder, flags, &BTreeMap::new())
    }

    /// Starts one in this environment.
    pub(crate) fn start_in(folder: &Path, flags: &[&str], environment: &BTreeMap<String, String>) -> Self {
        Self::start_as(folder, flags, environment, None)
    }

    /// Starts one that can write no file longer than so many blocks: every further write fails, as on a full disk.
    pub(crate) fn start_on_a_full_disk(folder: &Path, flags: &[&str], blocks: u32) -> Self {
        Self::start_as(folder, flags, &BTreeMap::new(), Some(blocks))
    }

    fn start_as(
        folder: &Path,
        flags: &[&str],
        environment: &BTreeMap<String, String>,
        limit: Option<u32>,
    ) -> Self {
        let flags: Vec<_> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut command = command(folder, &flags);
        if let Some(blocks) = limit {
            command = limited(&command, blocks);
        }
        let mut running = Running::start(command.envs(environment).stderr(Stdio::piped()));
        let stderr = running.child().stderr.take().unwrap();
        let log = Log::default();
        let lines = log.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let mut server = Self {
            running,
            folder: folder.to_owned(),
            flags,
            environment: environment.clone(),
            limit,
            log,
            addresses: Vec::new(),
            admin: String::new(),
        };
        server.admin = eventually("the server listens", || {
            let ended = server.running.child().try_wait().unwrap();
            assert_eq!(ended, None, "the server ended at its start: {}", server.log());
            server.listening("listening for health and readiness").pop()
        });
        server.addresses = server.listening("listening");
        server
    }

    /// Starts one that is expected to give up.
    pub(crate) fn refused(folder: &Path, flags: &[&str]) -> Ran {
        let flags: Vec<_> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Ran::of(&mut command(folder, &flags))
    }

    /// Starts one for the sake of killing it.
    pub(crate) fn start_blindly(folder: &Path, flags: &[&str]) -> Running {
        let flags: Vec<_> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Running::start_silent(&mut command(folder, &flags))
    }

    /// Kills the server and starts it again with the same flags and folder, so with a warm cache.
    pub(crate) fn restart(mut self) -> Self {
        self.kill();
        self.start_again()
    }

    /// Starts the server again that has ended.
    pub(crate) fn start_again(&self) -> Self {
        let flags: Vec<_> = self.flags.iter().map(String::as_str).collect();
        Self::start_as(&self.folder, &flags, &self.environment, self.limit)
    }

    /// Ends it as the death of the machine would.
    pub(crate) fn kill(&mut self) {
        self.running.kill();
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.running.terminate();
        self.ended()
    }

    pub(crate) fn terminate(&self) {
        self.running.terminate();
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.running.id()
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.running.ended(STOPPING)
    }

    /// A connection to the first address.
    pub(crate) fn client(&self) -> Client {
        Client::tcp(&self.addresses[0]).unwrap()
    }

    /// Asks on a connection of its own.
    #[track_caller]
    pub(crate) fn get(&self, target: &str) -> Answer {
        self.client().get(target)
    }

    /// What a student is answered.
    #[track_caller]
    pub(crate) fn student(&self, id: u32) -> Answer {
        self.get(&format!("/student/{id}.json"))
    }

    /// The cache status of a student who is served this document.
    #[track_caller]
    pub(crate) fn serves(&self, id: u32, document: &[u8]) -> String {
        let answer = self.student(id);
        assert_eq!(answer.status, 200, "{answer:?}\n{}", self.log());
        assert_eq!(String::from_utf8_lossy(&answer.body), String::from_utf8_lossy(document));
        answer.header("cache-status").unwrap().to_owned()
    }

    pub(crate) fn readiness(&self) -> Answer {
        Client::tcp(&self.admin).unwrap().get("/readyz")
    }

    /// What it tells Prometheus.
    #[track_caller]
    pub(crate) fn metrics(&self) -> Metrics {
        Metrics::at(&self.admin)
    }

    /// Waits until it is ready.
    pub(crate) fn ready(self) -> Self {
        eventually("the server is ready", || (self.readiness().status == 200).then_some(()));
        self
    }

    /// Waits until it serves this release, and hears the database if it has one.
    pub(crate) fn serving(self, release: u64) -> Self {
        self.switched_to(release);
        self
    }

    /// Waits until it serves this release and has heard its database since it started.
    pub(crate) fn switched_to(&self, release: u64) {
        eventually("the server serves the release", || {
            let status = self.get("/release.json").json();
            let changes = &status["changes"];
            (status["release"] == release && (changes.is_null() || changes["age_seconds"].is_number()))
                .then_some(())
        });
    }

    /// What follows `text` in each line of the log, up to a space.
    pub(crate) fn logged(&self, text: &str) -> Vec<String> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let found = log.iter().filter_map(|line| line.split_once(text));
        found.map(|(_, rest)| rest.split(' ').next().unwrap_or(rest).to_owned()).collect()
    }

    /// The addresses that the log tells with this message, in whichever form it is written.
    fn listening(&self, message: &str) -> Vec<String> {
        let texts = self.logged(&format!("{message} address="));
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let objects = log.iter().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let address = |line: serde_json::Value| {
            (line["message"] == message).then(|| line["address"].as_str().map(str::to_owned))?
        };
        texts.into_iter().chain(objects.filter_map(address)).collect()
    }

    /// Waits until the log has this.
    pub(crate) fn logs(&self, text: &str) {
        let limit = Duration::from_secs(10);
        let found = || (!self.logged(text).is_empty()).then_some(());
        within(limit, &format!("{text:?} is in the log {}", self.log()), found);
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}

fn command(folder: &Path, flags: &[String]) -> Command {
    let mut command = program("serve", folder);
    // A flag that is given takes the place of ours: clap refuses one that comes twice.
    for (flag, value) in [
        ("--bucket", "./bucket"),
        ("--cache-dir", "cache"),
        ("--listen", "127.0.0.1:0"),
        ("--admin", "127.0.0.1:0"),
    ] {
        if !flags.iter().any(|given| given == flag) {
            command.args([flag, value]);
        }
    }
    command.args(flags).stdout(Stdio::null());
    command
}

/// The same command, for which a write beyond the limit is an error and no signal.
fn limited(command: &Command, blocks: u32) -> Command {
    let script = format!("ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut limited = Command::new("/bin/sh");
    limited.args(["-c", &script]).arg(command.get_program()).args(command.get_args());
    limited.env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    if let Some(folder) = command.get_current_dir() {
        limited.current_dir(folder);
    }
    limited
}
