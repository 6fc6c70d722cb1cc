//! Proves that what watches the stack can be trusted: every alarm is tested, leads to what is to be done, and names what
//! is broken within a minute, in the real stack; and every panel of every dashboard shows something.
//!
//! One stack serves the tests that want one, one after the other, and each leaves it whole.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "../system_stack/load.rs"]
#[expect(dead_code, reason = "how a load went is judged elsewhere")]
mod load;
#[path = "../support/servers/mod.rs"]
mod servers;
#[path = "../system_stack/stack.rs"]
#[expect(dead_code, reason = "what other tests of the stack want")]
mod stack;
#[path = "../system/mod.rs"]
mod system;
#[path = "../system_stack/truth.rs"]
#[expect(dead_code, reason = "what other tests of the stack want")]
mod truth;

mod alarms;
mod dashboards;
mod files;
mod panels;
mod prometheus;
mod rules;
