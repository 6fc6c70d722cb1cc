//! What every program tells of its process, under the names that Prometheus's own libraries use.

use std::{fmt, fs};

use super::Families;

/// In what /proc counts processor time: USER_HZ, a hundred a second for every program on Linux.
const TICKS: f64 = 100.0;

/// Tells what /proc has. What cannot be read is left out.
pub(super) fn tell(families: &mut Families<'_>) -> fmt::Result {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (stat, status) = (read("/proc/self/stat"), read("/proc/self/status"));
    let (limits, machine) = (read("/proc/self/limits"), read("/proc/stat"));
    families.counter(
        "process_cpu_seconds_total",
        "Processor time of this process, its own and the kernel's on its behalf.",
        cpu_seconds(&stat).map(|seconds| ([], seconds)),
    )?;
    for (name, help, field) in [
        (
            "process_resident_memory_bytes",
            "Memory that this process has; of serve the release is the greater part of it.",
            "VmRSS:",
        ),
        ("process_virtual_memory_bytes", "Addresses that this process has.", "VmSize:"),
    ] {
        families.gauge(name, help, number(&status, field).map(|kilobytes| ([], kilobytes * 1_024)))?;
    }
    families.gauge(
        "process_threads",
        "Threads of this process.",
        number(&status, "Threads:").map(|threads| ([], threads)),
    )?;
    families.gauge(
        "process_open_fds",
        "Descriptors that this process has open.",
        open_descriptors().map(|open| ([], open)),
    )?;
    families.gauge(
        "process_max_fds",
        "Descriptors that this process may have open.",
        number(&limits, "Max open files").map(|most| ([], most)),
    )?;
    families.gauge(
        "process_start_time_seconds",
        "When this process started, since 1970.",
        started(&stat, &machine).map(|started| ([], started)),
    )
}

/// The number behind `field`, at the beginning of a line.
fn number(text: &str, field: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(field))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// The fields of `/proc/self/stat` from the third on: the second is the program's name, in parentheses, and may hold
/// anything.
fn fields(stat: &str) -> Option<Vec<&str>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace().collect())
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    let fields = fields(stat)?;
    let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    Some((ticks(14)? + ticks(15)?) / TICKS)
}

fn started(stat: &str, machine: &str) -> Option<f64> {
    let after_boot: f64 = fields(stat)?.get(22 - 3)?.parse().ok()?;
    Some(number(machine, "btime")? as f64 + after_boot / TICKS)
}

fn open_descriptors() -> Option<u64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    // One of them is for looking.
    Some(open.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_be_called_anything() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 0 0 0 0 0 250 50 0 0 20 0 4 0 12345 1 2";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(started(stat, "cpu 1 2\nbtime 1000\n"), Some(1_123.45));
        assert_eq!((cpu_seconds(""), started("7 (a) S", "btime 1")), (None, None));
    }

    #[test]
    fn all_of_it_is_known_of_this_process() {
        let text = super::super::Page::default().with_process().text().unwrap();
        let series = text.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(series.clone().count(), 7, "{text}");
        for line in series {
            let value: f64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
            assert!(value >= 0.0, "{line}");
        }
    }
}
