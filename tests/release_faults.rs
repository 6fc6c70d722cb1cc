//! Proves that a publisher survives a store which fails at the worst moment: each write that can fail is failed
//! before it happened and after.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod faulty_store;
    pub(crate) mod ids;
    pub(crate) mod manifests;
    pub(crate) mod releases;
    pub(crate) mod shards;
}

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory};
use results_day::release::{Commit, Manifest, ReleaseError, ReleaseStore};
use tokio::time::Instant;

use support::{
    faulty_store::{Blur, Fault, FaultyStore},
    ids::id,
    manifests::{attempt, entry, manifest, release},
    releases::release_of_three_shards,
};

/// A store whose first puts go wrong, and the store below it, where nothing does.
struct Place {
    store: ReleaseStore,
    faulty: Arc<FaultyStore>,
    below: ReleaseStore,
    objects: Arc<InMemory>,
}

fn place(faults: impl IntoIterator<Item = Fault>) -> Place {
    let objects = Arc::new(InMemory::new());
    let faulty = FaultyStore::new(objects.clone(), faults);
    Place {
        store: ReleaseStore::new(faulty.clone(), "faulty".to_owned()),
        faulty,
        below: ReleaseStore::new(objects.clone(), "memory".to_owned()),
        objects,
    }
}

fn ours() -> Manifest {
    manifest(1, vec![entry(b"blob", 1, id(1), id(1))])
}

fn rivals() -> Manifest {
    Manifest { attempt: attempt(2), ..ours() }
}

fn json(manifest: &Manifest) -> Bytes {
    manifest.to_json().unwrap().into()
}

#[tokio::test(start_paused = true)]
async fn an_unclear_commit_is_asked_about_until_it_is_clear() {
    use Fault::*;
    let table: Vec<(&str, Vec<Fault>, Commit, usize)> = vec![
        ("all is well", vec![], Commit::Won, 1),
        ("the put failed", vec![Fails], Commit::Won, 2),
        ("the put failed five times", vec![Fails; 5], Commit::Won, 6),
        ("the put failed after it persisted", vec![FailsAfterPersisting], Commit::Won, 1),
        ("the put persisted later, when it was repeated already", vec![PersistsLater], Commit::Won, 2),
        ("the put was retried below, and met itself", vec![IsRetriedBelow], Commit::Won, 1),
        ("a rival's put came in between", vec![Rival(json(&rivals()))], Commit::Lost, 1),
        ("a rival's put came in before the second try", vec![Fails, Rival(json(&rivals()))], Commit::Lost, 2),
    ];
    for (what, faults, expected, puts) in table {
        let place = place(faults);
        assert_eq!(place.store.commit(&ours()).await.unwrap(), expected, "{what}");
        assert_eq!(place.faulty.writes(), puts, "{what}");
        let there = if expected == Commit::Won { ours() } else { rivals() };
        assert_eq!(place.below.manifest(release(1)).await.unwrap(), Some(there), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rival_who_is_there_already_wins_however_the_store_says_so() {
    for fault in [None, Some(Fault::FailsThePrecondition), Some(Fault::Fails)] {
        let place = place(fault);
        place.below.commit(&rivals()).await.unwrap();
        assert_eq!(place.store.commit(&ours()).await.unwrap(), Commit::Lost);
        assert_eq!(place.below.manifest(release(1)).await.unwrap(), Some(rivals()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_away_is_given_up_after_six_tries_in_six_seconds() {
    let place = place(vec![Fault::Fails; 100]);
    let started = Instant::now();
    let error = place.store.commit(&ours()).await.unwrap_err();
    assert_eq!(started.elapsed().as_millis(), 6_200);
    assert_eq!(place.faulty.writes(), 6);
    assert!(
        error.to_string().starts_with("committing releases/00000000000000000001.json in the store: "),
        "{error}"
    );
    // Nothing was decided: the next run commits.
    assert_eq!(place.below.current().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_persisted_and_can_not_be_read_back_is_neither_won_nor_lost() {
    let place = place([Fault::FailsAfterPersisting]);
    place.faulty.go_deaf();
    let error = place.store.commit(&ours()).await.unwrap_err();
    assert!(matches!(error, ReleaseError::Store { operation: "reading", .. }), "{error}");
    assert_eq!(place.below.manifest(release(1)).await.unwrap(), Some(ours()));
}

#[tokio::test(start_paused = true)]
async fn a_rivals_manifest_that_can_not_be_read_is_an_error_and_is_left_as_it_is() {
    let place = place([]);
    let path = release(1).path();
    place.objects.put(&path, "{\"format\":2}".into()).await.unwrap();
    let started = Instant::now();
    let error = place.store.commit(&ours()).await.unwrap_err();
    assert!(error.to_string().ends_with("it has format 2, this program knows format 1"), "{error}");
    // It was read again, and not committed again.
    assert_eq!((started.elapsed(), place.faulty.writes()), (Duration::from_millis(200), 1));
    let there = place.objects.get(&path).await.unwrap().bytes().await.unwrap();
    assert_eq!(there, "{\"format\":2}");
}

/// Publishes a release whose blobs are all there.
async fn published(store: &ReleaseStore) -> Manifest {
    let (manifest, shards) = release_of_three_shards();
    for (entry, blob) in shards {
        store.put_shard(&entry.key, blob).await.unwrap();
    }
    assert!(matches!(store.commit(&manifest).await.unwrap(), Commit::Won));
    manifest
}

#[tokio::test(start_paused = true)]
async fn what_one_read_or_listing_loses_or_garbles_is_asked_for_again() {
    let place = place([]);
    let manifest = published(&place.below).await;
    let through =
        |blur| ReleaseStore::new(FaultyStore::through(place.objects.clone(), blur), "blurred".to_owned());
    // The manifest and its three shards; the current release is the greatest that a listing shows.
    for read in 0..4 {
        for blur in [Blur::Fails(read), Blur::Misreads(read)] {
            let verified = through(blur.clone()).verify(release(1)).await;
            assert_eq!(verified.unwrap().1.shards, 3, "{blur:?}");
        }
    }
    assert_eq!(through(Blur::DoesNotList(0)).current().await.unwrap(), Some(manifest));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_asked_for_once() {
    let place = place([]);
    let manifest = published(&place.below).await;
    place.objects.delete(&manifest.shards[0].key.path()).await.unwrap();
    let (started, before) = (Instant::now(), place.faulty.done().reads);
    let error = place.store.shard_bytes(&manifest.shards[0]).await.unwrap_err();
    assert!(matches!(error, ReleaseError::Store { .. }) && !error.is_unanswered(), "{error}");
    assert_eq!((place.faulty.done().reads - before, started.elapsed()), (1, Duration::ZERO));
}

#[tokio::test]
async fn a_probe_refuses_a_store_that_ignores_the_condition_and_leaves_nothing_behind() {
    let place = place([Fault::IgnoresTheCondition, Fault::IgnoresTheCondition]);
    let error = place.store.probe().await.unwrap_err();
    assert!(matches!(&error, ReleaseError::Unconditional { place } if place == "faulty"), "{error}");
    let left: Vec<_> = place.objects.list(None).try_collect().await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_probe_takes_a_failed_precondition_for_a_refusal() {
    place([Fault::FailsThePrecondition, Fault::FailsThePrecondition]).store.probe().await.unwrap();
}

#[tokio::test]
async fn a_probe_that_could_not_be_made_says_so() {
    for (faults, left) in [
        (vec![Fault::Fails], 0),
        (vec![Fault::FailsThePrecondition, Fault::Fails], 0),
        // What was written against the store's word is nobody's to know of, and lies among the probes.
        (vec![Fault::FailsAfterPersisting], 1),
    ] {
        let place = place(faults);
        let error = place.store.probe().await.unwrap_err();
        assert!(matches!(error, ReleaseError::Store { operation: "creating", .. }), "{error}");
        let there: Vec<_> = place.objects.list(None).try_collect().await.unwrap();
        assert_eq!(there.len(), left);
        assert!(there.iter().all(|object| object.location.as_ref().starts_with("probes/")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_durable_when_its_put_returns_and_may_be_put_again_when_it_failed() {
    use Fault::*;
    let (_, shards) = release_of_three_shards();
    let (entry, blob) = &shards[0];
    for (faults, puts, succeeds) in [
        (vec![Fails], 2, true),
        (vec![Fails, Fails], 3, true),
        (vec![FailsAfterPersisting], 1, true),
        (vec![PersistsLater], 2, true),
        (vec![IsRetriedBelow], 1, true),
        (vec![Fails, Fails, Fails], 3, false),
        (vec![Fails, Fails, FailsAfterPersisting], 3, true),
    ] {
        let what = format!("{faults:?}");
        let place = place(faults);
        assert_eq!(place.store.put_shard(&entry.key, blob.clone()).await.is_ok(), succeeds, "{what}");
        assert_eq!(place.faulty.writes(), puts, "{what}");
        place.store.put_shard(&entry.key, blob.clone()).await.unwrap();
        assert_eq!(place.below.shard_bytes(entry).await.unwrap(), *blob, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waited_long_for_an_error_does_not_wait_for_another() {
    let (_, shards) = release_of_three_shards();
    let (entry, blob) = &shards[0];
    let place = place(vec![Fault::FailsSlowly; 9]);
    let started = Instant::now();
    place.store.put_shard(&entry.key, blob.clone()).await.unwrap_err();
    assert_eq!((place.faulty.writes(), started.elapsed().as_secs()), (1, 30));
    place.store.commit(&ours()).await.unwrap_err();
    assert_eq!((place.faulty.writes(), started.elapsed().as_secs()), (3, 90));
}

#[tokio::test]
async fn a_blob_that_is_there_already_is_compared_however_the_store_says_so() {
    let (_, shards) = release_of_three_shards();
    let (entry, blob) = &shards[0];
    let place = place([Fault::FailsThePrecondition, Fault::FailsThePrecondition]);
    place.below.put_shard(&entry.key, blob.clone()).await.unwrap();
    place.store.put_shard(&entry.key, blob.clone()).await.unwrap();
    let error = place.store.put_shard(&entry.key, blob.slice(1..)).await.unwrap_err();
    assert!(matches!(error, ReleaseError::Different { .. }), "{error}");
}

#[tokio::test]
async fn a_store_that_garbles_what_it_is_given_is_found_out_before_the_commit() {
    let (_, shards) = release_of_three_shards();
    let (entry, blob) = &shards[0];
    let mut flipped = blob.to_vec();
    flipped[0] ^= 1;
    for garbled in [blob.slice(..blob.len() - 1), flipped.into(), Bytes::new()] {
        let place = place([Fault::Garbles(garbled)]);
        let error = place.store.put_shard(&entry.key, blob.clone()).await.unwrap_err();
        assert!(
            matches!(&error, ReleaseError::Different { key, .. } if *key == entry.key.to_string()),
            "{error}"
        );
    }
}
