//! The blob: one shard's students, one zstd frame each, readable by any zstd tool.
//!
//! `docs/FORMAT.md` describes the bytes for readers in other languages. Writing and reading live here;
//! where a blob is kept and which release names it is not this module's business.

mod error;
mod frame;
mod layout;
mod prefetch;
mod reader;
mod width;
mod writer;

pub use error::ShardError;
pub use frame::{Compressor, ENCODER, Frame, FrameError, decompress, decompressed_size};
pub use reader::{Found, Shard};
pub use width::{Width, WidthError};
pub use writer::ShardWriter;
