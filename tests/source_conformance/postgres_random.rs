//! PostgreSQL: whatever many writers do at once, no publication and no poll misses a change.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use results_day::{
    changes::{ChangeLog, Changed, Snapshot, Standing},
    source::{LookedUp, Source},
    student::{Student, StudentId},
};
use tokio::sync::mpsc;

use crate::{
    id,
    postgres::PostgresDatabase,
    postgres_random_writer::{CORRECTED, Random, Writer},
    seeded,
};

/// The ids that are looked at: those that writers touch, and some that they leave alone.
const LOOKED_AT: u32 = CORRECTED + 20;
const WRITERS: u64 = 6;

/// What one publication read: the students, and the log beside them.
struct Publication {
    snapshot: Snapshot,
    students: BTreeMap<StudentId, Student>,
    log: ChangeLog,
}

/// What is known of a student under each standing of the log.
type Documents = HashMap<(StudentId, Standing), Option<Student>>;

impl Publication {
    async fn of(source: &dyn Source) -> Self {
        let mut reader = source.snapshot().await.unwrap();
        let snapshot = reader.origin().snapshot.clone();
        let log = reader.changes(&Snapshot::NOTHING).await.unwrap();
        let (sender, mut receiver) = mpsc::channel(1);
        let reading = tokio::spawn(reader.read(vec![1..=20, 21..=LOOKED_AT], sender));
        let mut students = BTreeMap::new();
        while let Some(batch) = receiver.recv().await {
            students.extend(batch.into_iter().map(|student| (student.id, student)));
        }
        reading.await.unwrap().unwrap();
        Self { snapshot, students, log }
    }

    /// Asserts that whoever differs in a later publication is known to have changed since this one.
    fn is_told_of_all_changes(&self, later: &Self) {
        for number in 1..=LOOKED_AT {
            let student = id(number);
            let changed = !later.log.standing(student).seen_by(&self.snapshot);
            let differs = self.students.get(&student) != later.students.get(&student);
            assert!(changed || !differs, "{number}: {} to {}", self.snapshot, later.snapshot);
        }
    }
}

/// Documents of one student that were read under equal standings are equal.
fn learn(documents: &mut Documents, student: StudentId, standing: Standing, document: Option<Student>) {
    let known = documents.entry((student, standing)).or_insert_with(|| document.clone());
    assert_eq!(*known, document, "two documents under {standing:?}");
}

/// Looks students up and polls, until told to stop: the log as polls alone have told it, and what was looked up.
async fn follow(
    source: Arc<dyn Source>,
    stop: Arc<AtomicBool>,
    mut random: Random,
) -> (ChangeLog, Documents) {
    let mut log = ChangeLog::default();
    let mut documents = Documents::new();
    let mut since = Snapshot::NOTHING;
    let mut last = false;
    while !last {
        // Once more after the writers have ended.
        last = stop.load(Ordering::Relaxed);
        let polled = source.changes_since(&since).await.unwrap();
        assert!(polled.rows.iter().all(|(_, change)| !since.sees(change.transaction)));
        log.extend(polled.rows);
        since = polled.snapshot;
        for _ in 0..3 {
            let student = id(1 + random.below(LOOKED_AT));
            // Nobody waits for a TRUNCATE beyond patience here: writers end quickly.
            let LookedUp { student: document, standing, .. } = source.student(student).await.unwrap();
            learn(&mut documents, student, standing, document);
        }
    }
    (log, documents)
}

/// Lets writers loose for a time, publishes and polls meanwhile, and compares.
async fn no_change_is_missed(lasting: Duration, truncates: bool) {
    let given = std::env::var("RESULTS_DAY_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed: u64 = given.unwrap_or_else(|| getrandom::u64().unwrap());
    eprintln!("to do the same again, set RESULTS_DAY_TEST_SEED={seed}");
    let database = PostgresDatabase::new();
    let source = seeded(&database).await;
    let (stop_writing, stop_following) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut writing = Vec::new();
    for number in 1..=WRITERS {
        let writer = Writer {
            corrector: database.corrector().await,
            name: format!("{}_{number}", database.name()),
            random: Random(seed ^ number << 32),
            truncates,
            committed: 0,
            failed: 0,
        };
        let stop = stop_writing.clone();
        writing.push(tokio::spawn(async move { writer.run(&stop).await }));
    }
    let following = tokio::spawn(follow(source.clone(), stop_following.clone(), Random(seed)));

    let mut publications = vec![Publication::of(&*source).await];
    let mut expected: ChangeLog = publications[0].log.clone();
    let mut documents = Documents::new();
    let started = Instant::now();
    while started.elapsed() < lasting {
        let publication = Publication::of(&*source).await;
        let before = &publications[publications.len() - 1].snapshot;
        // Who knew the log and hears only what the last snapshot did not see, knows the log.
        let news = publication.log.iter().filter(|(_, change)| !before.sees(change.transaction));
        expected.extend(news);
        assert!(expected.iter().eq(publication.log.iter()), "{before} to {}", publication.snapshot);
        publications.push(publication);
    }
    stop_writing.store(true, Ordering::Relaxed);
    let (mut committed, mut failed) = (0, 0);
    for ended in writing {
        let writer = ended.await.unwrap();
        committed += writer.committed;
        failed += writer.failed;
    }
    stop_following.store(true, Ordering::Relaxed);
    let (polled, looked_up) = following.await.unwrap();
    publications.push(Publication::of(&*source).await);
    eprintln!("{committed} commits, {failed} failures, {} publications", publications.len());
    assert!(committed > 100 && publications.len() > 10, "too little happened");

    let last = &publications[publications.len() - 1];
    assert!(polled.iter().eq(last.log.iter()), "the polls have another log");
    for (place, earlier) in publications.iter().enumerate() {
        for later in &publications[place..] {
            earlier.is_told_of_all_changes(later);
        }
        for number in 1..=LOOKED_AT {
            let student = id(number);
            learn(
                &mut documents,
                student,
                earlier.log.standing(student),
                earlier.students.get(&student).cloned(),
            );
        }
        // The database's own answer is the one that the snapshot gives of the log.
        let rows = source.changes_since(&earlier.snapshot).await.unwrap().rows;
        let rows: BTreeSet<_> = rows.into_iter().map(key).collect();
        let unseen = last.log.iter().filter(|(_, change)| !earlier.snapshot.sees(change.transaction));
        assert_eq!(rows, unseen.map(key).collect(), "{}", earlier.snapshot);
    }
    for ((student, standing), document) in looked_up {
        learn(&mut documents, student, standing, document);
    }
    // Nobody is said to have changed whom nobody touched.
    let touched = last.log.iter().filter_map(|(changed, _)| match changed {
        Changed::Student(student) => Some(student.get()),
        Changed::Everything => None,
    });
    assert!(touched.max().unwrap() <= CORRECTED + 4);
}

fn key((changed, change): (Changed, results_day::changes::Change)) -> (u32, u64, u64) {
    let student = match changed {
        Changed::Student(student) => student.get(),
        Changed::Everything => 0,
    };
    (student, change.transaction, change.token)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_of_many_writers_at_once_is_missed() {
    no_change_is_missed(Duration::from_secs(8), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_is_missed_while_tables_are_emptied() {
    no_change_is_missed(Duration::from_secs(4), true).await;
}
