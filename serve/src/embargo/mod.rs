//! The hour: before it a release is loaded and nobody sees it, and at it the clock alone opens it, on every server.
//!
//! `gate` is the rule over the two clocks of `clock`, `keeper` the thread that asks it, `remembered` what outlives a
//! restart.

mod clock;
mod gate;
mod keeper;
mod remembered;

pub(crate) use clock::{Clock, Moment};
pub(crate) use gate::{Gate, seconds_until};
pub(crate) use keeper::{Keeper, say};
pub(crate) use remembered::Remembered;
