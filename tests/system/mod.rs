//! What the whole-program tests share: a nation in a folder of its own, the three programs, a client that
//! shows every byte, and a second opinion on what a document is.
//!
//! Nothing here uses the library: what is expected is worked out anew from the database and the bucket.

#![allow(dead_code, unused_imports, reason = "each test program uses its own part of this")]

mod client;
mod document;
mod killing;
mod metrics;
mod nation;
mod programs;
#[path = "../support/sealed.rs"]
mod sealed;
mod server;
mod waiting;
mod watcher;

pub(crate) use client::{Answer, Client, request};
pub(crate) use killing::{Site, kill_publishers};
pub(crate) use metrics::{Family, Metrics};
pub(crate) use nation::{Nation, files, put_manifest};
pub(crate) use programs::{Ran, Running, program};
pub(crate) use sealed::sealed;
pub(crate) use server::Server;
pub(crate) use waiting::{Instants, eventually, within};
pub(crate) use watcher::Watcher;
