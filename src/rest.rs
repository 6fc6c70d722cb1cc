use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// A server that failed is left alone for a moment, so that not everybody waits for it in vain.
#[derive(Debug)]
pub(crate) struct Rest {
    pause: Duration,
    started: Instant,
    /// In milliseconds after `started`.
    until: AtomicU64,
}

impl Rest {
    /// Nobody rests yet; whoever does, does so for this long.
    pub(crate) fn of(pause: Duration) -> Self {
        Self { pause, started: Instant::now(), until: AtomicU64::new(0) }
    }

    /// From now on, for the pause.
    pub(crate) fn begin(&self) {
        self.until.store(milliseconds(self.started.elapsed() + self.pause), Ordering::Relaxed);
    }

    /// Whether the server is to be left alone.
    pub(crate) fn lasts(&self) -> bool {
        milliseconds(self.started.elapsed()) < self.until.load(Ordering::Relaxed)
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
