use tempfile::TempDir;

use super::{
    process::{Server, free_port},
    s3,
};

/// A MinIO of its own, on one disk.
#[derive(Debug)]
pub(crate) struct Minio {
    server: Option<Server>,
    folder: TempDir,
    port: u16,
    settings: Vec<String>,
}

impl Minio {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// One with these settings, `NAME=VALUE`, beside those it needs.
    pub(crate) fn start_with(settings: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("results-day-minio-").tempdir().unwrap();
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut minio = Self { server: None, folder, port: free_port(), settings };
        minio.resume();
        minio
    }

    /// Starts the server again, on the same port and with the same objects.
    pub(crate) fn resume(&mut self) {
        let (program, folder) = (s3::tool("minio"), self.folder.path());
        let (user, password) =
            (format!("MINIO_ROOT_USER={}", s3::KEY), format!("MINIO_ROOT_PASSWORD={}", s3::SECRET));
        let home = format!("HOME={}", folder.display());
        let (address, data) = (format!("127.0.0.1:{}", self.port), folder.join("data"));
        let mut command = vec!["env", "-u", "MINIO_CONFIG_ENV_FILE", &user, &password, &home];
        command.extend(["MINIO_BROWSER=off", "MINIO_UPDATE=off"]);
        command.extend(self.settings.iter().map(String::as_str));
        command.extend([&program, "server", "--quiet", "--address", &address, data.to_str().unwrap()]);
        let answers = || s3::status(self.port, "/minio/health/ready") == Some(200);
        self.server = Some(Server::start(&command, folder, answers));
    }

    /// Kills the server, as a failing machine would; what it has answered for stays.
    pub(crate) fn kill(&mut self) {
        if let Some(server) = &mut self.server {
            server.kill();
        }
        self.server = None;
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Creates a bucket.
    pub(crate) fn create(&self, bucket: &str) {
        assert!(s3::create_bucket(self.port, bucket), "the bucket {bucket} was not created");
    }
}
