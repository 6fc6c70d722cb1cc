use tempfile::TempDir;

use super::{
    process::{Server, free_port},
    s3,
};

/// A SeaweedFS of its own: master, volume server, filer and S3 gateway in one process.
#[derive(Debug)]
pub(crate) struct SeaweedFs {
    server: Server,
    _folder: TempDir,
    port: u16,
}

impl SeaweedFs {
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("results-day-seaweedfs-").tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let keys = folder.path().join("keys.json");
        std::fs::write(&keys, identities()).unwrap();
        let port = free_port();
        let ports = [
            "-master.port",
            "-master.port.grpc",
            "-volume.port",
            "-volume.port.grpc",
            "-filer.port",
            "-filer.port.grpc",
            "-s3.port.grpc",
        ]
        .map(|flag| format!("{flag}={}", free_port()));
        let (program, home) = (s3::tool("weed"), format!("HOME={}", folder.path().display()));
        let mut command = vec!["env", &home, &program, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"];
        let mine = [
            format!("-dir={}", data.display()),
            format!("-s3.port={port}"),
            format!("-s3.config={}", keys.display()),
        ];
        command.extend(ports.iter().chain(&mine).map(String::as_str));
        command.extend(["-filer", "-s3", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]);
        // It may grow as far as the disk goes, tells nobody about itself and ends without a pause.
        command.extend(["-volume.max=0", "-master.volumeSizeLimitMB=64"]);
        command.extend(["-master.telemetry=false", "-volume.preStopSeconds=0"]);
        let answers = || s3::status(port, "/").is_some() && s3::create_bucket(port, "warm-up");
        let server = Server::start(&command, folder.path(), answers);
        Self { server, _folder: folder, port }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Creates a bucket.
    pub(crate) fn create(&self, bucket: &str) {
        assert!(s3::create_bucket(self.port, bucket), "the bucket {bucket} was not created");
    }
}

impl Drop for SeaweedFs {
    fn drop(&mut self) {
        // Asked to stop it would take half a minute.
        self.server.kill();
    }
}

/// Who may do what.
fn identities() -> String {
    format!(
        r#"{{"identities":[{{"name":"tests","credentials":[{{"accessKey":"{}","secretKey":"{}"}}],
            "actions":["Admin","Read","Write","List","Tagging"]}}]}}"#,
        s3::KEY,
        s3::SECRET
    )
}
