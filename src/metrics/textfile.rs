//! Files for node exporter's textfile collector: how a run that ends is told of.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, TryLockError},
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::Page;
use crate::whole;

/// How long others are waited for who write to the folder, each of them for some milliseconds. Whoever may read the
/// folder can hold its lock, and nobody ends later for that.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often the lock is asked for.
const POLL: Duration = Duration::from_millis(10);

/// Writes what a run tells to the file at `path`, whole or not at all, on top of what earlier runs told there: counters
/// go on, and what this run knows nothing of stays. So one file can tell of all runs of a program on a machine.
///
/// A file that is missing or is something else is the beginning of a new one. Runs that end in the same instant, as the
/// parts of a publication do, go on from one another.
pub fn write(path: &Path, page: &Page) -> io::Result<()> {
    let text = page.text().map_err(io::Error::other)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _locked = lock(folder, PATIENCE)?;
    let earlier = match fs::read_to_string(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {
            String::new()
        }
        earlier => earlier?,
    };
    whole::write(path, Told::read(&earlier).continued(&Told::read(&text)).to_string().as_bytes())
}

/// The folder, locked for as long as it is held.
fn lock(folder: &Path, patience: Duration) -> io::Result<fs::File> {
    let asked = Instant::now();
    let file = fs::File::open(folder)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if asked.elapsed() < patience => thread::sleep(POLL),
            Err(TryLockError::WouldBlock) => {
                let problem =
                    format!("{} has been locked by another process for {patience:?}", folder.display());
                return Err(io::Error::new(io::ErrorKind::TimedOut, problem));
            }
        }
    }
}

/// Families by name, in the order of their names.
#[derive(Debug, Default)]
struct Told(BTreeMap<String, Family>);

#[derive(Debug, Default, Clone)]
struct Family {
    help: String,
    kind: String,
    /// The series as they are written, name, labels and all.
    series: BTreeMap<String, f64>,
}

impl Told {
    /// Reads what was written here before. What is not in that form is nothing.
    fn read(text: &str) -> Self {
        let mut told = Self::default();
        for line in text.lines() {
            let words =
                |rest: &str| rest.split_once(' ').map(|(name, rest)| (name.to_owned(), rest.to_owned()));
            if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(words) {
                told.0.entry(name).or_default().help = help;
            } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(words) {
                told.0.entry(name).or_default().kind = kind;
            } else if let Some((series, value)) = line.rsplit_once(' ')
                && let Some(family) = told.0.get_mut(series.split('{').next().unwrap_or(series))
                && let Ok(value) = value.parse()
            {
                family.series.insert(series.to_owned(), value);
            }
        }
        told
    }

    /// These families as a later run goes on with them.
    fn continued(mut self, later: &Self) -> Self {
        for (name, family) in &later.0 {
            let Family { help, kind, series } = self.0.entry(name.clone()).or_default();
            let counts = family.kind == "counter" && *kind == family.kind;
            (*help, *kind) = (family.help.clone(), family.kind.clone());
            // There is one version of the program, the one that ran last.
            if name.ends_with("_info") {
                series.clear();
            }
            for (one, value) in &family.series {
                let before = if counts { series.get(one).copied().unwrap_or_default() } else { 0.0 };
                series.insert(one.clone(), before + value);
            }
        }
        self
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, Family { help, kind, series }) in &self.0 {
            writeln!(f, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
            series.iter().try_for_each(|(series, value)| writeln!(f, "{series} {value}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(version: &'static str, command: &'static str, students: u64) -> Page {
        Page::default().with(move |families| {
            families.gauge("a_info", "The version.", [([("version", version)], 1_u64)])?;
            families.counter("runs_total", "Runs.", [([("command", command)], 1_u64)])?;
            families.gauge("last_seconds", "When.", [([("command", command)], 0.25)])?;
            families.gauge("students", "Students.", (students > 0).then_some(([], students)))
        })
    }

    #[test]
    fn counters_go_on_and_what_a_run_knows_nothing_of_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.prom");
        for page in
            [run("1", "publish", 5), run("1", "collect", 0), run("2", "publish", 7), run("2", "collect", 0)]
        {
            write(&path, &page).unwrap();
        }
        let text = "# HELP a_info The version.\n# TYPE a_info gauge\na_info{version=\"2\"} 1\n\
                    # HELP last_seconds When.\n# TYPE last_seconds gauge\n\
                    last_seconds{command=\"collect\"} 0.25\nlast_seconds{command=\"publish\"} 0.25\n\
                    # HELP runs_total Runs.\n# TYPE runs_total counter\n\
                    runs_total{command=\"collect\"} 2\nruns_total{command=\"publish\"} 2\n\
                    # HELP students Students.\n# TYPE students gauge\nstudents 7\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn whoever_holds_the_folders_lock_holds_nobody_up_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path(), PATIENCE).unwrap();
        let error = lock(folder.path(), Duration::from_millis(30)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().ends_with("has been locked by another process for 30ms"), "{error}");
        drop(held);
        lock(folder.path(), PATIENCE).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.prom");
        fs::create_dir(&path).unwrap();
        assert_eq!(write(&path, &run("1", "publish", 5)).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn what_is_no_such_file_is_the_beginning_of_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.prom");
        for before in
            ["", "nonsense\nruns_total 7\n", "# TYPE runs_total counter\nruns_total{command=\"publish\"} x\n"]
        {
            fs::write(&path, before).unwrap();
            write(&path, &run("1", "publish", 5)).unwrap();
            assert!(fs::read_to_string(&path).unwrap().contains("\nruns_total{command=\"publish\"} 1\n"));
        }
        assert!(write(&folder.path().join("none/runs.prom"), &run("1", "publish", 5)).is_err());
    }
}
