//! The hour: before it a release is loaded and nobody sees it, and at it the clock alone opens it, on every server.
//!
//! `gate` is the rule, `keeper` the task that asks it, `opened` what outlives a restart.

mod gate;
mod keeper;
mod opened;

pub(crate) use gate::{Clock, Gate, Moment, seconds_until};
pub(crate) use keeper::Keeper;
pub(crate) use opened::Opened;
