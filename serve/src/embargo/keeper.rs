use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{Clock, Gate, Moment, Remembered};
use crate::serving::Shared;

/// Opens the current release when its hour comes. It needs neither the store nor the database, and no disk; so that
/// nothing which waits for one of them can hold it up, it has a thread of its own.
pub(crate) struct Keeper {
    shared: &'static Shared,
    remembered: Arc<Remembered>,
    /// Writing down how things stand, which a dead disk may hold up for ever.
    writing: Option<JoinHandle<()>>,
}

/// How late the hour may be noticed. Looking takes a microsecond.
const STEP: Duration = Duration::from_millis(20);

impl Keeper {
    pub(crate) fn new(shared: &'static Shared, remembered: Arc<Remembered>) -> Self {
        Self { shared, remembered, writing: None }
    }

    /// Looks at the clock from now on, for ever.
    pub(crate) fn start(mut self) -> io::Result<()> {
        thread::Builder::new().name("keeper".to_owned()).spawn(move || {
            loop {
                self.step();
                thread::sleep(STEP);
            }
        })?;
        Ok(())
    }

    fn step(&mut self) {
        let now = Moment::now();
        let serving = self.shared.serving();
        if serving.gate.at(now) != serving.gate {
            let mut after = serving.gate;
            self.shared.update(|serving| {
                serving.gate = serving.gate.at(now);
                after = serving.gate;
            });
            say(after);
        }
        drop(serving);
        self.write_down();
    }

    fn write_down(&mut self) {
        let serving = self.shared.serving();
        let Some(release) = &serving.release else { return };
        let data_set = &release.manifest.source.data_set;
        let is_due = self.remembered.note(data_set, serving.gate);
        let writes = self.writing.as_ref().is_some_and(|writing| !writing.is_finished());
        if is_due && !writes {
            let remembered = self.remembered.clone();
            // Where there is no thread to be had now, there is one later.
            self.writing =
                thread::Builder::new().name("remembered".to_owned()).spawn(move || remembered.write()).ok();
        }
    }
}

/// Tells whoever runs the server what the clock has decided.
pub(crate) fn say(gate: Gate) {
    match gate {
        Gate::Open => tracing::info!("the hour has come; results are visible"),
        Gate::Closed(embargo) if embargo.clock == Clock::Jumped => tracing::error!(
            not_before = %embargo.until,
            "the clock was set forward since these results were first held back; they stay hidden until as much time has \
             passed as it says; set it right. If it is right now, remove embargo.json from the cache directory and \
             restart serve"
        ),
        Gate::Closed(embargo) => {
            tracing::info!(not_before = %embargo.until, "the clock is right again; results are hidden until their hour");
        }
    }
}
