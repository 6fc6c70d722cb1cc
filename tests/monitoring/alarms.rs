//! Parts of the real stack die, and Prometheus says which.

use std::{
    collections::BTreeSet,
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    prometheus::{BETWEEN_TWO_LOOKS, everything_is_scraped, firing, watched_stack},
    stack::Stack,
};

/// Within which an alarm names what is broken.
const A_MINUTE: Duration = Duration::from_secs(60);

/// What the test machine does wrong by itself: nobody sets its clock, it is busy with other tests, its disk may be
/// nearly full.
const OF_THE_MACHINE: [&str; 6] =
    ["ClockNotSynchronized", "ClockDiffers", "AnswersSlow", "MemoryRunsOut", "DiskFull", "StoreFull"];

fn signal(stack: &Stack, part: &str, signal: &str) {
    let sent = Command::new("kill").args(["-s", signal, stack.get(&format!("{part}_PID"))]).status().unwrap();
    assert!(sent.success(), "{part} could not be sent SIG{signal}");
}

/// Waits until all of these fire, and says after how long each did.
#[track_caller]
fn all_fire_within_a_minute(stack: &Stack, expected: &[(&str, &str)], broken: Instant) {
    let mut missing: BTreeSet<_> =
        expected.iter().map(|(alarm, instance)| ((*alarm).to_owned(), (*instance).to_owned())).collect();
    loop {
        for alarm in firing(stack) {
            if missing.remove(&alarm) {
                println!("{alarm:?} after {:.0?}", broken.elapsed());
            }
        }
        if missing.is_empty() {
            return;
        }
        assert!(broken.elapsed() < A_MINUTE, "not within a minute: {missing:?}; only {:?}", firing(stack));
        thread::sleep(BETWEEN_TWO_LOOKS);
    }
}

/// Fires, and not because of the machine itself.
fn firing_of_the_stack(stack: &Stack) -> BTreeSet<(String, String)> {
    let mut alarms = firing(stack);
    alarms.retain(|(alarm, _)| !OF_THE_MACHINE.contains(&alarm.as_str()));
    alarms
}

/// Waits until nothing fires any more but what the machine itself does wrong.
#[track_caller]
fn nothing_fires(stack: &Stack) {
    let asked = Instant::now();
    loop {
        let alarms = firing_of_the_stack(stack);
        if alarms.is_empty() {
            return;
        }
        assert!(asked.elapsed() < A_MINUTE, "still firing a minute later: {alarms:?}");
        thread::sleep(BETWEEN_TWO_LOOKS);
    }
}

#[test]
fn a_way_that_is_broken_between_parts_that_live_is_named_by_the_probe_alone() {
    let mut stack = watched_stack();
    everything_is_scraped(&stack);
    nothing_fires(&stack);

    // NGINX and the servers are well, but it looks for them where nobody is.
    let broken = Instant::now();
    let nowhere: String = (1..=3).map(|port| format!("server 127.0.0.1:{port};\n")).collect();
    fs::write(stack.data().join("nginx/replicas.conf"), nowhere).unwrap();
    signal(&stack, "NGINX", "HUP");
    let named = ("ProbeFails".to_owned(), "nginx".to_owned());
    all_fire_within_a_minute(&stack, &[(&named.0, &named.1)], broken);
    assert_eq!(firing_of_the_stack(&stack), BTreeSet::from([named]));

    // Takes over its own configuration again.
    stack.up();
    nothing_fires(&stack);
}

#[test]
fn whatever_dies_is_named_within_a_minute_and_no_longer_when_it_is_back() {
    let mut stack = watched_stack();
    everything_is_scraped(&stack);
    nothing_fires(&stack);

    // Ours: each in its own way.
    let broken = Instant::now();
    stack.kill("REPLICA_1");
    signal(&stack, "REPLICA_2", "STOP");
    stack.kill("REPLICA_3");
    stack.kill("WATCHER");
    stack.kill("NODE_EXPORTER");
    let expected = [
        ("ServerDown", "serve-1"),
        ("ServerDown", "serve-2"),
        ("ServerDown", "serve-3"),
        ("NoServerReady", ""),
        ("WatcherDown", "watcher"),
        ("NoWatcherLeads", ""),
        ("ExporterDown", "node"),
        ("ProbeFails", "nginx"),
        ("ProbeFails", "serve-1"),
        ("ProbeFails", "serve-2"),
        ("ProbeFails", "serve-3"),
    ];
    all_fire_within_a_minute(&stack, &expected, broken);
    signal(&stack, "REPLICA_2", "CONT");
    stack.up();
    nothing_fires(&stack);

    // Those of others, as their exporters and the servers see it.
    let broken = Instant::now();
    stack.kill("POSTGRES");
    signal(&stack, "REDIS", "STOP");
    stack.kill("MINIO");
    stack.kill("BLACKBOX_EXPORTER");
    stack.kill("NGINX");
    let mut expected = vec![
        ("PostgresDown", "postgres"),
        ("RedisDown", "redis"),
        ("StoreDown", "minio"),
        ("NginxDown", "nginx"),
        ("BlackboxExporterDown", ""),
        ("WatcherInTrouble", "watcher"),
    ];
    for server in ["serve-1", "serve-2", "serve-3"] {
        expected.extend([("DatabaseUnreachable", server), ("StoreUnreachable", server)]);
    }
    all_fire_within_a_minute(&stack, &expected, broken);
    signal(&stack, "REDIS", "CONT");
    stack.up();
    nothing_fires(&stack);
}
