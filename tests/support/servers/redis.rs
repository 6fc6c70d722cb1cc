use std::path::Path;

use tempfile::TempDir;

use super::process::{Server, free_port};

/// A Redis server of its own, which forgets everything when it ends.
#[derive(Debug)]
pub(crate) struct Redis {
    server: Option<Server>,
    folder: TempDir,
    port: u16,
    flags: Vec<String>,
}

const PROGRAM: &str = "/usr/bin/redis-server";

impl Redis {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// One with these flags beside those it needs.
    pub(crate) fn start_with(flags: &[&str]) -> Self {
        assert!(Path::new(PROGRAM).exists(), "{PROGRAM} is missing: run `make tools` first");
        let folder = tempfile::Builder::new().prefix("results-day-redis-").tempdir().unwrap();
        let flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        let mut redis = Self { server: None, folder, port: free_port(), flags };
        redis.resume();
        redis
    }

    /// Starts the server again, on the same port.
    pub(crate) fn resume(&mut self) {
        let port = self.port.to_string();
        let folder = self.folder.path().to_str().unwrap();
        let mut command =
            vec![PROGRAM, "--port", &port, "--bind", "127.0.0.1", "--save", "", "--dir", folder];
        command.extend(self.flags.iter().map(String::as_str));
        let answers = || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        self.server = Some(Server::start(&command, self.folder.path(), answers));
    }

    pub(crate) fn stop(&mut self) {
        self.server = None;
    }

    pub(crate) fn kill(&mut self) {
        if let Some(server) = &mut self.server {
            server.kill();
        }
        self.server = None;
    }

    /// Makes it hang: it is there, and does not answer.
    pub(crate) fn hang(&self) {
        self.server.as_ref().unwrap().signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.server.as_ref().unwrap().signal("CONT");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// A connection that goes round the programs.
    pub(crate) fn connection(&self) -> redis::Connection {
        redis::Client::open(self.url()).unwrap().get_connection().unwrap()
    }
}
