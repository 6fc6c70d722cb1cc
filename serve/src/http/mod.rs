//! The public face: from a request to an answer.
//!
//! [`ServeRelease`] answers what the release holds; everything else goes to the `routes` behind it.

mod answer;
mod cache_policy;
mod coding;
mod etag;
mod failure;
mod problem;
mod release_status;
mod request_id;
mod routes;
mod serve_release;
mod target;

pub(crate) use answer::{Body, CACHE_STATUS};
pub(crate) use problem::Problem;
pub(crate) use routes::routes;
pub(crate) use serve_release::ServeRelease;
