//! A bucket of an S3 store: MinIO, SeaweedFS, Amazon's and others. The endpoint, the region and the keys come from
//! the usual `AWS_*` variables.

use std::{sync::Arc, time::Duration};

use http::{Method, Request, StatusCode, header::CONTENT_LENGTH};
use object_store::{
    BackoffConfig, ClientConfigKey, ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
    client::{HttpConnector, HttpRequestBody, ReqwestConnector},
    path::Path,
    signer::Signer,
};

use super::{
    ReleaseError,
    reason::{innermost, reason},
    retry::{BLIP, retried},
};

/// How long one answer may take, with its bytes: a shard has about 0.3 MB.
const ANSWER: Duration = Duration::from_secs(30);

/// How long a connection may take. Where a machine is down nobody says no.
const CONNECT: Duration = Duration::from_secs(2);

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
        // A store that restarts is back within seconds; and somebody waits for the answer.
        Patience::Publisher => (20, Duration::from_secs(30), ANSWER),
    };
    let retry = RetryConfig {
        backoff: BackoffConfig { max_backoff: Duration::from_secs(5), ..BackoffConfig::default() },
        max_retries: retries,
        retry_timeout: asking,
    };
    let mut builder = AmazonS3Builder::from_env()
        .with_client_options(client_options(answer))
        .with_retry(retry)
        .with_bucket_name(name);
    let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
        .iter()
        .find_map(|key| builder.get_config_value(key));
    if let Some(endpoint) = endpoint {
        if !is_url(&endpoint) {
            // What was given is not repeated: it may hold a password.
            let problem = "AWS_ENDPOINT_URL is no URL; give one such as http://127.0.0.1:9000";
            return Err(unusable(name, &problem));
        }
        // Whoever gives such an endpoint means it.
        builder = builder.with_allow_http(endpoint.starts_with("http://"));
    }
    let store = builder.build().map_err(|error| unusable(name, &reason(&error)))?;
    Ok(Arc::new(store))
}

/// How the store is asked: as the `AWS_*` variables say (`AWS_PROXY_URL`, `AWS_TIMEOUT` and so on), and where they say
/// nothing, with a time limit for an answer and for a connection.
fn client_options(answer: Duration) -> ClientOptions {
    let options = ClientOptions::new().with_timeout(answer).with_connect_timeout(CONNECT);
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.to_str()?.strip_prefix("AWS_")?.to_ascii_lowercase();
        Some((name.parse().ok()?, value.into_string().ok()?))
    });
    variables.fold(options, |options, (key, value): (ClientConfigKey, _)| options.with_config(key, value))
}

/// object_store takes any text for an endpoint, and panics when it asks there.
fn is_url(endpoint: &str) -> bool {
    let uri = endpoint.parse::<http::Uri>();
    uri.is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

/// Creates the bucket, unless it is there.
pub(super) async fn create_if_missing(store: &AmazonS3, name: &str) -> Result<(), ReleaseError> {
    // Whoever may not ask finds out by publishing.
    let ask = |method: Method| retried(BLIP, move || ask_for_bucket(store, name, method.clone()));
    if ask(Method::HEAD).await? != StatusCode::NOT_FOUND {
        return Ok(());
    }
    let answer = ask(Method::PUT).await?;
    // Conflict: another publisher was faster, or the name is somebody else's, which the next request tells.
    if answer.is_success() || answer == StatusCode::CONFLICT {
        return Ok(());
    }
    Err(unusable(name, &format!("it is missing, and the store refused to create it: {answer}")))
}

/// Asks for the bucket itself, for which object_store has no call.
async fn ask_for_bucket(store: &AmazonS3, name: &str, method: Method) -> Result<StatusCode, ReleaseError> {
    let url = store.signed_url(method.clone(), &Path::default(), ANSWER).await;
    let url = url.map_err(|error| unusable(name, &reason(&error)))?;
    let mut request = Request::new(HttpRequestBody::empty());
    if method == Method::PUT {
        // The signature in the URL names the region: the key, the day, the region, and so on.
        let scope = url.query_pairs().find(|(name, _)| name == "X-Amz-Credential");
        let region = scope.as_ref().and_then(|(_, scope)| scope.split('/').nth(2));
        let body = region.map(location).unwrap_or_default();
        // Of an empty body the client would not say that it is empty, and some stores want to know.
        request.headers_mut().insert(CONTENT_LENGTH, body.len().into());
        *request.body_mut() = body.into();
    }
    *request.method_mut() = method;
    *request.uri_mut() = url.as_str().parse().map_err(|error| unusable(name, &error))?;
    let client = ReqwestConnector::default().connect(&client_options(ANSWER).with_allow_http(true));
    let client = client.map_err(|error| unusable(name, &reason(&error)))?;
    // The URL is signed, so it is not for everybody's eyes; the last error of the chain does not name it.
    let silent = |error| {
        let (place, cause) = (url.origin().ascii_serialization(), innermost(&error));
        unusable(name, &format!("the store at {place} does not answer: {cause}"))
    };
    Ok(client.execute(request).await.map_err(silent)?.status())
}

/// The body of a request to create a bucket (S3's reference, CreateBucket): the region has to be said, but for
/// `us-east-1`, which must not be.
fn location(region: &str) -> String {
    if region == "us-east-1" {
        return String::new();
    }
    format!(
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
    )
}

fn unusable(name: &str, problem: &dyn std::fmt::Display) -> ReleaseError {
    ReleaseError::Bucket { bucket: name.to_owned(), problem: problem.to_string() }
}
