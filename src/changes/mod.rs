//! Exactly what changed since publication: no clock, no sequence, no gap.
//!
//! A database logs each student's last [`Change`]. A release keeps the [`Snapshot`] it was read from; a
//! change is *since* the release where the snapshot did not see it. A server keeps the whole log in memory
//! ([`ChangeLog`]) and on disk ([`Journal`]), so that it forgets no correction while its database is away.

mod change;
mod journal;
mod log;
mod snapshot;

pub use change::{Change, Changed, Standing};
pub use journal::{Journal, JournalError};
pub use log::ChangeLog;
pub use snapshot::{ParseSnapshotError, Snapshot};
