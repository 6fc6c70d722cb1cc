//! Proves that the whole stack, as `infra/stack` brings it up, goes on while its parts die: PostgreSQL, Redis, MinIO,
//! three replicas behind NGINX. Who is published is answered, who was corrected is answered rightly or told to come
//! back, and everything heals without a restart.
//!
//! One stack serves all tests, one after the other, and each leaves it whole.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "../support/servers/mod.rs"]
mod servers;
#[path = "../system/mod.rs"]
mod system;

mod chaos;
mod doubt;
mod front;
mod k6;
mod load;
mod logs;
mod network;
mod rights;
mod stack;
mod truth;
