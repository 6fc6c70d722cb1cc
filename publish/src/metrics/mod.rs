//! What `publish` tells Prometheus: a watcher at an address, every other run in a file. `docs/METRICS.md` lists every
//! family.
//!
//! `record` is what is known: plain numbers, of which `work` is what the run itself counts, `runs` how it ended and
//! `status` what a watcher is about. Only `families` knows how that is called; `flags` and `server` say where.

mod families;
mod flags;
mod record;
mod runs;
mod server;
mod status;
mod work;

pub use flags::Flags;
pub use record::Record;
pub use runs::{Command, Ending};
pub use server::serve;
pub use work::Work;

pub(crate) use status::Part;
pub(crate) use work::Phase;
