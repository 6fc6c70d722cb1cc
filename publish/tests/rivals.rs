//! Proves that publishers, rollbacks and collections at work on one store at once leave one history, in which each
//! release follows the one before it and everything that is kept is whole.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod delaying_store;
    pub(crate) mod exam;
    pub(crate) mod inspection;
}
#[path = "../../tests/support/ticking_store.rs"]
mod ticking_store;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture, future::join_all};
use results_day::release::{Manifest, ReleaseError, ReleaseStore, Spared};

use support::{
    delaying_store::{DelayingStore, Random},
    exam::{Exam, content},
    inspection::kept_and_whole,
};
use ticking_store::TickingStore;

const NEWEST: Spared = Spared { releases: 1, grace: Duration::ZERO };

/// What everybody shares, and a way round the delays to the same store.
struct Arena {
    exam: Exam,
    store: ReleaseStore,
    delaying: Arc<DelayingStore>,
    below: ReleaseStore,
    random: Random,
}

impl Arena {
    /// With three releases, of which each differs from the others.
    async fn open(seed: u64) -> Self {
        let objects = TickingStore::new();
        let delaying = DelayingStore::new(objects.clone(), seed);
        let arena = Self {
            exam: Exam::of(1_050).await,
            store: ReleaseStore::new(delaying.clone(), "delaying".to_owned()),
            delaying,
            below: ReleaseStore::new(objects, "memory".to_owned()),
            random: Random(seed ^ 0xABCD),
        };
        for round in 0..3 {
            arena.correct(round);
            arena.exam.publish(&arena.store).await.unwrap();
        }
        arena
    }

    fn correct(&self, round: u64) {
        self.exam.edit(&format!("UPDATE students SET name = name || '{round}' WHERE id % 97 = {round}"));
    }

    /// Publishes, again and again, each time from results that nobody has published.
    async fn publisher(&self, first: u64) {
        for round in first..first + 2 {
            self.correct(round);
            self.exam.publish(&self.store).await.unwrap();
        }
    }

    /// Goes back to the oldest release that is kept, and to the one before it, which may just be given up.
    async fn reverter(&self) {
        for _ in 0..2 {
            let oldest = self.below.kept().await.unwrap()[0].number;
            match self.store.roll_back(oldest).await {
                Ok(_) => {}
                Err(ReleaseError::GivenUp { number, oldest: now }) => {
                    assert!(number == oldest && number < now, "{number} instead of {oldest}, before {now}");
                }
                Err(error) => panic!("a rollback to {oldest}: {error}"),
            }
        }
    }

    async fn collector(&self) {
        for _ in 0..2 {
            self.store.collect(NEWEST).await.unwrap();
        }
    }

    /// Lets them all work at once, each starting when it likes.
    async fn fight(&mut self, rivals: fn(&Self) -> Vec<BoxFuture<'_, ()>>) {
        let pauses: Vec<_> = (0..16).map(|_| Duration::from_millis(self.random.below(300))).collect();
        let rivals = rivals(self).into_iter().zip(pauses).map(|(rival, pause)| async move {
            tokio::time::sleep(pause).await;
            rival.await;
        });
        join_all(rivals).await;
    }

    /// Looks at what they left.
    async fn inspect(&self, what: &str) {
        check_history(&self.delaying.committed(), what);
        kept_and_whole(&self.below, what).await;
        self.exam.publish(&self.below).await.unwrap_or_else(|error| panic!("{what}, then: {error:#}"));
        let current = kept_and_whole(&self.below, what).await.pop().unwrap();
        assert_eq!(content(&current), content(&self.exam.whole().await), "{what}");
    }
}

/// Asserts that each release follows the one before it, and shows what it says it does.
fn check_history(committed: &BTreeMap<u64, Manifest>, what: &str) {
    let mut newest = 0;
    for (place, (number, manifest)) in committed.iter().enumerate() {
        assert_eq!(*number, place as u64 + 1, "{what}: a number is skipped");
        assert_eq!(
            manifest.parent.map(u64::from),
            number.checked_sub(1).filter(|parent| *parent > 0),
            "{what}"
        );
        match manifest.repeats.map(u64::from) {
            None => {
                let revision = manifest.source.snapshot.xmax();
                assert!(revision >= newest, "{what}: release {number} is older than one before it");
                newest = revision;
            }
            Some(repeats) => {
                let repeated = &committed[&repeats];
                assert!(manifest.shows_what_is_in(repeated), "{what}: release {number} is not {repeats}");
                let parent = &committed[&(number - 1)];
                // A fence on top of a rollback says what that repeats, which may be given up by now.
                let is_kept = manifest.shows_what_is_in(parent) || repeated.number >= parent.oldest;
                assert!(is_kept, "{what}: release {number} repeats what was given up");
                assert!(manifest.oldest >= parent.oldest, "{what}: release {number} keeps more again");
            }
        }
    }
}

async fn many_times(name: &str, rivals: fn(&Arena) -> Vec<BoxFuture<'_, ()>>) {
    let mut releases = 0;
    for seed in 1..=20 {
        let what = format!("{name}, seed {seed}");
        let mut arena = Arena::open(seed).await;
        arena.fight(rivals).await;
        arena.inspect(&what).await;
        releases += arena.delaying.committed().len();
    }
    println!("{name}: {releases} releases in 20 fights");
}

#[tokio::test(start_paused = true)]
async fn publishers_of_different_snapshots_follow_one_another() {
    many_times("publishers", |arena| (0..4).map(|rival| arena.publisher(10 * rival).boxed()).collect()).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_and_a_publication_follow_one_another() {
    many_times("rollbacks and publishers", |arena| {
        vec![arena.publisher(10).boxed(), arena.reverter().boxed(), arena.reverter().boxed()]
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_collection_takes_nothing_from_publishers_rollbacks_and_other_collections() {
    many_times("everybody", |arena| {
        vec![
            arena.publisher(10).boxed(),
            arena.publisher(20).boxed(),
            arena.reverter().boxed(),
            arena.collector().boxed(),
            arena.collector().boxed(),
        ]
    })
    .await;
}
