//! A release: one manifest that names every shard of a publication, and the store that holds both.
//!
//! Creating the manifest is the commit; everything before it can be thrown away. `docs/FORMAT.md` describes
//! keys and manifests for readers in other languages. This module moves bytes; it does not
//! know the database, and of how a document is rendered only what a verification asks.

mod bucket;
mod collect;
mod commit;
mod differences;
mod digest;
mod embargo;
mod error;
mod key;
mod litter;
mod manifest;
mod parts;
mod probe;
mod reason;
mod repeat;
mod retry;
mod rollback;
mod s3;
mod seal;
mod store;
mod verify;

pub use bucket::Bucket;
pub use collect::{Collection, Spared};
pub use commit::Commit;
pub use differences::Differences;
pub use digest::Digest;
pub use embargo::{EmbargoError, embargo};
pub use error::ReleaseError;
pub use key::{Attempt, KeyError, ReleaseNumber, ShardKey};
pub use manifest::{FORMAT, Manifest, ManifestError, ShardEntry};
pub use parts::{AttemptPlan, Part, PartError, PartReport, RunName, RunNameError, RunStart};
pub use store::ReleaseStore;
pub use verify::{Inspected, Verified};
