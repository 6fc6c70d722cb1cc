//! A student: the id, the record, and the one document it is rendered to.
//!
//! Nothing here knows where records are kept or how documents are stored and served.

mod document;
pub mod generator;
mod id;
mod parse;
mod record;

pub use document::{DocumentError, RENDERER, document_id, render};
pub use id::{IdError, StudentId};
pub use parse::parse;
pub use record::{MARKS, OUT_OF, Sex, Stream, Student, UnknownName};
