//! What the S3 stores have in common.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    time::Duration,
};

use futures::FutureExt;
use object_store::{
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
    signer::Signer,
};

pub(crate) const KEY: &str = "results-key";
pub(crate) const SECRET: &str = "results-secret-of-the-tests";

/// A program that Debian does not have.
pub(super) fn tool(name: &str) -> String {
    let folder = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let tools = folder("RESULTS_DAY_TOOLS").or_else(|| {
        let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))?;
        Some(cache.join("results-day/tools"))
    });
    let path = tools.unwrap().join("bin").join(name);
    assert!(path.exists(), "{} is missing: run `make tools` first", path.display());
    path.to_str().unwrap().to_owned()
}

/// The status with which a server answers a plain GET, if it answers.
pub(super) fn status(port: u16, target: &str) -> Option<u16> {
    ask(port, &format!("GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"))
}

fn ask(port: u16, request: &str) -> Option<u16> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).ok()?;
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    connection.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // A server that is just starting may cut the answer; its first line is enough.
    let _cut = connection.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}

/// The environment in which a program finds the store on this port.
pub(crate) fn environment(port: u16) -> [(&'static str, String); 3] {
    [
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
        ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
    ]
}

/// A way to a bucket that goes round the programs.
pub(crate) fn objects(port: u16, bucket: &str) -> AmazonS3 {
    AmazonS3Builder::new()
        .with_endpoint(format!("http://127.0.0.1:{port}"))
        .with_allow_http(true)
        .with_access_key_id(KEY)
        .with_secret_access_key(SECRET)
        .with_region("us-east-1")
        .with_bucket_name(bucket)
        .build()
        .unwrap()
}

/// Creates a bucket, and says whether it is there.
pub(super) fn create_bucket(port: u16, bucket: &str) -> bool {
    let (store, all_of_it) = (objects(port, bucket), Path::default());
    let signed = store.signed_url(http::Method::PUT, &all_of_it, Duration::from_secs(60));
    // With keys at hand there is nothing to wait for.
    let url = signed.now_or_never().unwrap().unwrap().to_string();
    let target = url.strip_prefix(&format!("http://127.0.0.1:{port}")).unwrap();
    let request = format!(
        "PUT {target} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    matches!(ask(port, &request), Some(200 | 409))
}
