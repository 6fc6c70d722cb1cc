//! What the programs tell Prometheus, and how: families of metrics, as text.
//!
//! Here is what all programs share. What each of them counts is its own: `serve/src/metrics/`, `publish/src/metrics/`
//! and the seeder's `metrics`. `docs/METRICS.md` lists every family, and a test holds it to that.
//!
//! The format is the plain one, version 0.0.4: Prometheus scrapes it and node exporter reads it from files, where
//! OpenMetrics would only be the former's.

mod families;
mod page;
mod process;
mod textfile;

pub use families::{Families, Label, Observed, seconds};
pub use page::{CONTENT_TYPE, Page};
pub use textfile::write as write_textfile;
