//! A bucket of an S3 store: MinIO, SeaweedFS, Amazon's and others. The endpoint, the region and the keys come from
//! the usual `AWS_*` variables.

use std::{sync::Arc, time::Duration};

use http::{Method, Request, StatusCode};
use object_store::{
    BackoffConfig, ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
    client::{HttpConnector, HttpRequestBody, ReqwestConnector},
    path::Path,
    signer::Signer,
};

use super::ReleaseError;

/// How long a store that does not answer is asked again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    /// A server goes on with what it has and asks again later.
    Reader,
    /// A publisher would have to start anew: it outlives a store that restarts.
    Publisher,
}

/// The S3 user's guide, "General purpose bucket naming rules", as far as they concern all stores.
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    if !(3..=63).contains(&name.len()) {
        return Err("a bucket's name has 3 to 63 characters");
    }
    let inside = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
    if !name.bytes().all(inside) || name.starts_with(['.', '-']) || name.ends_with(['.', '-']) {
        return Err("a bucket's name consists of lower-case letters, digits, dots and hyphens");
    }
    Ok(())
}

pub(super) fn open(name: &str, patience: Patience) -> Result<Arc<AmazonS3>, ReleaseError> {
    let (retries, asking, answer) = match patience {
        Patience::Reader => (2, Duration::from_secs(5), Duration::from_secs(5)),
        Patience::Publisher => (20, Duration::from_secs(60), Duration::from_secs(30)),
    };
    let retry = RetryConfig {
        backoff: BackoffConfig { max_backoff: Duration::from_secs(5), ..BackoffConfig::default() },
        max_retries: retries,
        retry_timeout: asking,
    };
    let client = ClientOptions::new().with_timeout(answer).with_connect_timeout(Duration::from_secs(2));
    let mut builder =
        AmazonS3Builder::from_env().with_client_options(client).with_retry(retry).with_bucket_name(name);
    let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
        .iter()
        .find_map(|key| builder.get_config_value(key));
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        // Whoever gives such an endpoint means it.
        builder = builder.with_allow_http(true);
    }
    let store = builder.build().map_err(|error| unusable(name, &error))?;
    Ok(Arc::new(store))
}

/// Creates the bucket, unless it is there.
pub(super) async fn create_if_missing(store: &AmazonS3, name: &str) -> Result<(), ReleaseError> {
    // Whoever may not ask finds out by publishing.
    if ask_for_bucket(store, name, Method::HEAD).await? != StatusCode::NOT_FOUND {
        return Ok(());
    }
    let answer = ask_for_bucket(store, name, Method::PUT).await?;
    // Conflict: another publisher was faster, or the name is somebody else's, which the next request tells.
    if answer.is_success() || answer == StatusCode::CONFLICT {
        return Ok(());
    }
    Err(unusable(name, &format!("it is missing, and the store refused to create it: {answer}")))
}

/// Asks for the bucket itself, for which object_store has no call.
async fn ask_for_bucket(store: &AmazonS3, name: &str, method: Method) -> Result<StatusCode, ReleaseError> {
    const VALID: Duration = Duration::from_secs(60);
    let url = store.signed_url(method.clone(), &Path::default(), VALID).await;
    let url = url.map_err(|error| unusable(name, &error))?;
    let mut request = Request::new(HttpRequestBody::empty());
    *request.method_mut() = method;
    *request.uri_mut() = url.as_str().parse().map_err(|error| unusable(name, &error))?;
    let options = ClientOptions::new().with_allow_http(true).with_timeout(VALID);
    let client = ReqwestConnector::default().connect(&options).map_err(|error| unusable(name, &error))?;
    let answer = client.execute(request).await;
    Ok(answer.map_err(|error| unusable(name, &format!("the store does not answer: {error}")))?.status())
}

fn unusable(name: &str, problem: &dyn std::fmt::Display) -> ReleaseError {
    ReleaseError::Bucket { bucket: name.to_owned(), problem: problem.to_string() }
}
