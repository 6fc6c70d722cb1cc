use std::{
    fs::File,
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A server at work. It ends when this is dropped, or when this process dies.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    log: PathBuf,
}

/// Becomes the server, and leaves somebody behind who waits for standard input: a line there ends the server, and
/// the end of it is the death of this process, with which the server's folder goes too. Of a dead process nobody waits
/// for a server that likes to take its time.
const SHELL: &str = r#"folder=$1; shift
exec 3<&0 </dev/null
{ read -r _ <&3 || orphaned=1
  kill -INT $$; tries=0
  while kill -0 $$; do
    sleep 0.02; tries=$((tries + 1))
    [ -z "${orphaned:-}" ] || [ $tries -lt 100 ] || kill -KILL $$
  done
  [ -z "${orphaned:-}" ] || rm -rf "$folder"; } 2>/dev/null &
exec 3<&-
exec "$@""#;

/// How long a server may take until it answers.
const STARTING: Duration = Duration::from_secs(60);

impl Server {
    /// Starts a server that keeps its things in a folder, and its output in `log` there; waits until it `answers`.
    pub(crate) fn start(command: &[&str], folder: &Path, mut answers: impl FnMut() -> bool) -> Self {
        let log = folder.join("log");
        let output = File::create(&log).unwrap();
        let process = Command::new("bash")
            .args(["-c", SHELL, "server"])
            .arg(folder)
            .args(command)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut server = Self { process, log };
        let started = Instant::now();
        while !answers() {
            let ended = server.process.try_wait().unwrap();
            assert!(
                ended.is_none() && started.elapsed() < STARTING,
                "{command:?} does not answer: {}",
                std::fs::read_to_string(&server.log).unwrap_or_default()
            );
            thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(&mut self) {
        if let Some(mut stdin) = self.process.stdin.take() {
            // Who waits for this is gone if the server was killed.
            let _gone = stdin.write_all(b"stop\n");
            self.process.wait().unwrap();
        }
    }

    /// Sends it a signal: `STOP` makes it hang, and `CONT` go on.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.process.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Kills it and all its children, as a failing machine would.
    pub(crate) fn kill(&mut self) {
        let kill = "children=$(pgrep -P $1); kill -STOP $1; kill -KILL $children $1";
        let killed = Command::new("sh").args(["-c", kill, "sh", &self.process.id().to_string()]).status();
        assert!(killed.unwrap().success());
        self.process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port that nobody listens on. Below those that the kernel gives to outgoing connections.
pub(crate) fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed);
        // Test programs run at once; each starts to look somewhere else.
        let start = u16::try_from(std::process::id() % 1_000).unwrap() * 20;
        let port = 11_000 + (start + offset) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
