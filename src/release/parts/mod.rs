//! What the programs tell each other that publish one release in parts: how their run began, the plan of each attempt
//! and the parts' reports.
//!
//! Nobody else reads these objects, and they decide nothing that is visible: the commit is the manifest's, as always.
//! They are litter as soon as the run is over, and a collection takes them away.

mod objects;
mod part;
mod run;
mod store;

pub use objects::{AttemptPlan, PartReport, RunStart};
pub use part::{Part, PartError};
pub use run::{RunName, RunNameError};

/// The folder of all runs; each has its own below, and in that one for each of its attempts.
pub(super) const FOLDER: &str = "parts";

/// Whether an object lies there.
pub(super) fn is_below(key: &str) -> bool {
    key.strip_prefix(FOLDER).is_some_and(|rest| rest.starts_with('/'))
}
