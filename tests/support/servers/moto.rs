use tempfile::TempDir;

use super::{
    process::{Server, free_port},
    s3,
};

/// An old moto: an S3 store that accepts `If-None-Match` and ignores it.
#[derive(Debug)]
pub(crate) struct Moto {
    _server: Server,
    _folder: TempDir,
    port: u16,
}

impl Moto {
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("results-day-moto-").tempdir().unwrap();
        let port = free_port();
        let (program, number) = (s3::tool("moto_server"), port.to_string());
        let command = [&program, "-H", "127.0.0.1", "-p", &number];
        let server = Server::start(&command, folder.path(), || s3::status(port, "/").is_some());
        Self { _server: server, _folder: folder, port }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}
