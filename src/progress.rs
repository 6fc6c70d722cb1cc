//! What the command-line programs show while they work: a bar on a terminal, one line of the log elsewhere.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

/// Shows work of `total` steps, of which `done` are done. `what` says what the steps are: `students seeded`.
pub fn show(what: &'static str, total: u64, done: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        tracing::info!(total, there = done, "{what}");
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total).with_position(done).with_message(what);
    bar.enable_steady_tick(Duration::from_millis(100));
    match ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}, {per_sec}, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
