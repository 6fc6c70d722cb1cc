//! The local copy of the current release: checked, in memory, and enough for a restart without the store.
//!
//! `directory` is where it lies for the next start, `fetch` brings a release there and into `memory`, from where it is
//! served; `stamp` tells whether somebody touched the files, `repair` makes both whole again. A directory that cannot be
//! written costs a server its restart without the store, and nothing else.

mod directory;
mod fetch;
mod loaded;
mod memory;
mod repair;
mod stamp;

pub(crate) use directory::{CacheDirectory, CacheError};
pub(crate) use fetch::blocking;
pub(crate) use loaded::LoadedRelease;
pub(crate) use repair::Repaired;
pub(crate) use stamp::Stamp;
