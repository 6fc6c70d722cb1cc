//! The local copy of the current release: checked, mapped, and enough for a restart without the store.
//!
//! `directory` is where it lies, `fetch` brings a release there, `mapping` gets at its bytes, `repair` makes one whole
//! again. A directory that cannot be written costs a server its restart without the store, and nothing else.

mod directory;
mod fetch;
mod loaded;
mod mapping;
mod repair;

pub(crate) use directory::{CacheDirectory, CacheError};
pub(crate) use fetch::blocking;
pub(crate) use loaded::LoadedRelease;
pub(crate) use repair::Repaired;
