use std::{io, path::Path, sync::Arc};

use results_day::metrics::{Page, write_textfile};

use super::{Command, Work, families, runs::Runs, status::Status};

/// What one program has done, for whoever tells of it.
#[derive(Debug)]
pub struct Record {
    /// What its runs have counted.
    pub work: Work,
    /// How they ended.
    pub runs: Runs,
    /// What a watcher is about.
    pub(crate) status: Status,
}

impl Record {
    /// Of a program whose runs are of this kind.
    pub fn of(command: Command) -> Arc<Self> {
        Arc::new(Self { work: Work::default(), runs: Runs::of(command), status: Status::default() })
    }

    /// Writes it to a file for node exporter, on top of what earlier runs have written there.
    pub fn write(self: &Arc<Self>, path: &Path) -> io::Result<()> {
        let record = self.clone();
        write_textfile(path, &Page::default().with(move |families| families::tell_of_runs(&record, families)))
    }

    /// What a watcher tells.
    pub(super) fn page(self: &Arc<Self>) -> Page {
        let (runs, watcher) = (self.clone(), self.clone());
        Page::default()
            .with(move |families| families::tell_of_runs(&runs, families))
            .with(move |families| families::tell_of_a_watcher(&watcher, families))
            .with_process()
    }
}
