use tempfile::TempDir;

use super::process::{Server, free_port};

/// A Redis server of its own, which forgets everything when it ends.
#[derive(Debug)]
pub(crate) struct Redis {
    server: Option<Server>,
    folder: TempDir,
    port: u16,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("results-day-redis-").tempdir().unwrap();
        let mut redis = Self { server: None, folder, port: free_port() };
        redis.resume();
        redis
    }

    /// Starts the server again, on the same port.
    pub(crate) fn resume(&mut self) {
        let port = self.port.to_string();
        let folder = self.folder.path().to_str().unwrap();
        let command = ["redis-server", "--port", &port, "--bind", "127.0.0.1", "--save", "", "--dir", folder];
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

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }
}
