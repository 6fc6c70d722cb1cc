//! What the programs tell each other that publish one release in parts: the plan of an attempt and the parts' reports.
//!
//! Nobody else reads these objects, and they decide nothing that is visible: the commit is the manifest's, as always.
//! They are litter as soon as the attempt is over, and a collection takes them away.

mod objects;
mod part;
mod store;

pub use objects::{AttemptPlan, PartReport};
pub use part::{Part, PartError};

/// The folder of all attempts; each has its own below.
pub(super) const FOLDER: &str = "parts";
