//! Publishing: from a snapshot of the database to a committed release, and what is done with releases afterwards.
//!
//! This library is there for its own program and for the tests that put a store which fails below it.

pub mod duration;
pub mod metrics;
pub mod parts;
mod pipeline;
mod plan;
mod publication;
mod publisher;
mod releases;
mod render;
pub mod summary;
pub mod verify;
pub mod watch;

pub use publication::publish;
pub use publisher::Publisher;
pub use releases::{Releases, releases};
