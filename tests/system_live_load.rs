//! Proves that the live path holds under load: many askers share one look-up, corrections under way confuse
//! nobody, and whoever has been told the new marks is never told the old ones again.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::{
    collections::BTreeMap,
    sync::{
        Barrier, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use system::{Nation, eventually};

#[test]
fn two_hundred_look_ups_at_once_of_one_changed_student_all_succeed() {
    let nation = Nation::published();
    let server = nation.serve().serving(1);
    nation.correct(9);
    let document = nation.document(9);
    eventually("the correction is known", || {
        (server.get("/release.json").json()["changes"]["since_release"] == 1).then_some(())
    });
    let together = Barrier::new(200);
    thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                let mut client = server.client();
                together.wait();
                let answer = client.get("/student/9.json");
                assert_eq!((answer.status, answer.body), (200, document.clone()));
            });
        }
    });
}

#[test]
fn many_changed_students_are_looked_up_at_once_without_a_refusal() {
    let nation = Nation::published();
    let server = nation.serve().serving(1);
    nation.edit("UPDATE students SET school = 'Renamed School'", []);
    eventually("the corrections are known", || {
        (server.get("/release.json").json()["changes"]["since_release"] == 3_000).then_some(())
    });
    let documents = nation.documents(1..=3_000);
    thread::scope(|scope| {
        for reader in 0..16 {
            let (server, documents) = (&server, &documents);
            scope.spawn(move || {
                let mut client = server.client();
                for id in (1..=3_000).skip(reader).step_by(8) {
                    let answer = client.get(&format!("/student/{id}.json"));
                    assert_eq!((answer.status, &answer.body), (200, &documents[&id]));
                }
            });
        }
    });
}

/// When each version of each student's document was committed.
type History = BTreeMap<u32, Vec<(Vec<u8>, Instant)>>;

/// How long after a commit an older document may be seen. Polls come every 20 ms; the rest is for a machine
/// with other tests to run.
const DEADLINE: Duration = Duration::from_secs(1);

#[test]
fn nobody_is_told_old_marks_after_new_ones_or_after_the_deadline() {
    let nation = Nation::published();
    let server = nation.serve().serving(1);
    let ids = 1..=10;
    let history: Mutex<History> = Mutex::default();
    for (id, document) in nation.documents(ids.clone()) {
        history.lock().unwrap().insert(id, vec![(document, Instant::now())]);
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = server.client();
                let mut told: BTreeMap<u32, usize> = BTreeMap::new();
                while !done.load(Ordering::Relaxed) {
                    for id in ids.clone() {
                        let asked = Instant::now();
                        let answer = client.get(&format!("/student/{id}.json"));
                        assert_eq!(answer.status, 200, "{answer:?}");
                        let history = history.lock().unwrap();
                        let version = history[&id].iter().rposition(|(document, _)| *document == answer.body);
                        let version = version.unwrap_or_else(|| panic!("no version of {id} is {answer:?}"));
                        if let Some((_, superseded)) = history[&id].get(version + 1) {
                            let late = asked.saturating_duration_since(*superseded);
                            assert!(late < DEADLINE, "student {id} has old marks after {late:?}");
                        }
                        let before = told.insert(id, version).unwrap_or(0);
                        assert!(version >= before, "student {id} went back from {before} to {version}");
                    }
                }
            });
        }
        // Released even where this thread fails: the readers would go on for ever.
        let _done = Done(&done);
        let editor = nation.connect();
        for round in 0..150 {
            let id = round % 10 + 1;
            // Nobody may find a document that is not in the history yet, so it is locked over the commit.
            let mut history = history.lock().unwrap();
            editor.execute("UPDATE students SET name = 'Version ' || ? WHERE id = ?", (round, id)).unwrap();
            history.get_mut(&id).unwrap().push((nation.document(id), Instant::now()));
            drop(history);
            if round == 60 || round == 110 {
                nation.publish();
            }
        }
    });
    server.switched_to(3);
    for id in ids {
        let document = nation.document(id);
        eventually("the last version is served", || (server.student(id).body == document).then_some(()));
    }
}

struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
