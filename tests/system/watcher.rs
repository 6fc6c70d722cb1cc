use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{programs::Running, waiting::eventually};

/// A `publish --watch` at work.
pub(crate) struct Watcher {
    running: Running,
    said: Lines,
    log: Lines,
}

/// What a program has written so far.
type Lines = Arc<Mutex<Vec<String>>>;

/// A watcher ends at once; the rest is for a machine with much to do.
const STOPPING: Duration = Duration::from_secs(5);

impl Watcher {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut running = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let said = follow(running.child().stdout.take().unwrap());
        let log = follow(running.child().stderr.take().unwrap());
        Self { running, said, log }
    }

    /// Waits until it leads.
    pub(crate) fn leading(self) -> Self {
        self.logs("leading: following");
        self
    }

    /// Waits until it stands by.
    pub(crate) fn standing_by(self) -> Self {
        self.logs("standing by");
        self
    }

    /// The lines that it has printed: one for each publication.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// How many lines of the log have this text.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter(|line| line.contains(text))
            .count()
    }

    /// Waits until the log has this.
    pub(crate) fn logs(&self, text: &str) {
        self.logs_within(Duration::from_secs(15), text);
    }

    pub(crate) fn logs_within(&self, limit: Duration, text: &str) {
        self.logs_times(limit, text, 1);
    }

    /// Waits until the log has this so often.
    pub(crate) fn logs_times(&self, limit: Duration, text: &str, times: usize) {
        let deadline = Instant::now() + limit;
        while self.logged(text) < times {
            // Only now it is known what it has logged instead.
            assert!(Instant::now() < deadline, "{text:?} is not logged within {limit:?}: {}", self.log());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until it has published this release.
    pub(crate) fn publishes(&self, release: u64) {
        let start = format!("release {release}: ");
        eventually(&format!("a watcher publishes release {release}"), || {
            self.said().iter().any(|line| line.starts_with(&start)).then_some(())
        });
    }

    /// Ends it as the death of the machine would.
    pub(crate) fn kill(&mut self) {
        self.running.kill();
    }

    /// Sends it a signal, `STOP` or `CONT` say.
    pub(crate) fn signal(&mut self, signal: &str) {
        let id = self.running.child().id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", signal, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.running.terminate();
        self.running.ended(STOPPING)
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(&mut self, limit: Duration) -> ExitStatus {
        self.running.ended(limit)
    }

    /// Whether it is at work still.
    pub(crate) fn works(&mut self) -> bool {
        self.running.child().try_wait().unwrap().is_none()
    }
}

fn follow(stream: impl Read + Send + 'static) -> Lines {
    let lines = Lines::default();
    let written = lines.clone();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            written.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
    lines
}
