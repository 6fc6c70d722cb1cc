//! `publish --parts N` and `publish --part K/N`: one publication by several machines, a *run*, of which all of them know
//! the name.
//!
//! The committer takes the snapshot and holds it, and writes down what is to be done: that is an *attempt*. Each part
//! opens the same snapshot, comes to the same plan, brings its share of the shards into the store under the attempt's
//! name, and reports them. With all reports at hand the committer commits the release, as a plain publication does.
//!
//! Nobody tells anybody anything but through the bucket and the database. An attempt is open as long as its snapshot is
//! held, which the database knows: with the death of the committer it is over, and the parts wait for the next one. The
//! run ends with the first attempt that is committed, or that finds nothing to publish. Whoever comes behind that finds
//! it in the bucket, and ends, too.

mod committer;
mod flags;
mod history;
mod outcome;
mod part;
mod reports;
mod share;

use std::time::Duration;

pub use committer::commit;
pub use flags::{Flags, Role};
pub use outcome::PartOutcome;
pub use part::contribute;

/// How long a committer waits for the next report, and a part for a committer, or for a database and a store that are
/// away: a cluster may take minutes to find a machine for either. The tables are locked against TRUNCATE meanwhile.
pub const PATIENCE: Duration = Duration::from_secs(600);
