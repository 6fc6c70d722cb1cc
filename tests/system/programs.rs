use std::{
    ffi::OsStr,
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use super::waiting::within;

/// One of the three programs, in this folder, untouched by the environment of the test.
pub(crate) fn program(name: &str, folder: &Path) -> Command {
    let path = Path::new(env!("CARGO_BIN_EXE_db-seeder")).with_file_name(name);
    assert!(path.exists(), "{} is missing: run `cargo build --workspace` first", path.display());
    let mut command = Command::new(path);
    command.env_clear().current_dir(folder).stdin(Stdio::null());
    command
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit status; `None` for one that was killed.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { status: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// What it printed, given that it succeeded.
    pub(crate) fn succeeded(self) -> String {
        assert_eq!(self.status, Some(0), "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Asserts that it ended with this status and said all of this on stderr.
    #[track_caller]
    pub(crate) fn failed(&self, status: i32, words: &[&str]) {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert_eq!(self.stdout, "", "a failure prints no result");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {:?}", self.stderr);
        }
    }

    /// What it found, line by line, given that it failed for it with this verdict.
    #[track_caller]
    pub(crate) fn found(&self, verdict: &str) -> Vec<&str> {
        assert_eq!(self.status, Some(1), "{self:?}");
        assert!(self.stderr.contains(verdict), "{verdict:?} is not in {:?}", self.stderr);
        self.stdout.lines().collect()
    }
}

/// A program at work. It is killed when the test is done with it, however the test ends.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Starts it with nobody listening to what it says.
    pub(crate) fn start_silent(command: &mut Command) -> Self {
        Self::start(command.stdout(Stdio::null()).stderr(Stdio::null()))
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Ends it as the death of the machine would, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // Killing what has ended already is no mistake here.
        let _gone = self.0.kill();
        self.0.wait().unwrap();
    }

    /// Asks it to stop. The process has not been waited for, so its id is still its own.
    pub(crate) fn terminate(&self) {
        let id = self.0.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh"]).arg(OsStr::new(&id)).status();
        assert!(sent.unwrap().success(), "SIGTERM could not be sent");
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(&mut self, limit: Duration) -> ExitStatus {
        within(limit, "the program ends", || self.0.try_wait().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}
