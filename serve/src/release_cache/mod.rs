//! The local copy of the current release: checked, mapped, and enough for a restart without the store.

mod directory;
mod loaded;

pub(crate) use directory::{CacheDirectory, CacheError};
pub(crate) use loaded::LoadedRelease;
