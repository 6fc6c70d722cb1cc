//! Results Day: a nation's exam results as an immutable, sharded, compressed blob set.
//!
//! The modules in the order the data flows:
//!
//! - [`student`]: the id, the record and its one document; the generator of a synthetic nation.
//! - [`source`]: the database that is the truth, and how it is seeded.
//! - [`changes`]: exactly what changed since a release: snapshots, the change log, the journal.
//! - [`shard`]: the blob of one shard: written once, read one frame at a time.
//! - [`release`]: keys, manifests and the store; the commit, the verification.
//! - [`cache`]: the live path's cache of what changed.
//! - [`metrics`]: how the programs tell Prometheus what they do. [`log`]: how they log.
//! - [`random`] and [`progress`]: random names; what the programs show while they work. [`whole`]: files that are
//!   whole or not there. [`private`]: what nobody else on the machine may see. `rest`: leaving alone for a moment what has failed.
//!
//! Nothing here knows HTTP or a command line: those are `serve`, `publish` and `db-seeder`.

pub mod cache;
pub mod changes;
pub mod log;
pub mod metrics;
pub mod private;
pub mod progress;
pub mod random;
pub mod release;
mod rest;
pub mod shard;
pub mod source;
pub mod student;
pub mod whole;
