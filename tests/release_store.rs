//! Proves what the release store promises over every kind of store: the same suite runs in memory, in a directory,
//! and over MinIO and SeaweedFS.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod faulty_store;
    pub(crate) mod ids;
    pub(crate) mod manifests;
    pub(crate) mod places;
    pub(crate) mod servers;
}

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::ObjectStore;
use results_day::release::{Commit, Digest, Manifest, ReleaseStore, ShardEntry, ShardKey};

use support::{
    faulty_store::{Fault, FaultyStore},
    ids::id,
    manifests::{attempt, entry, manifest, release},
    places::{Place, everywhere},
};

async fn names(place: &Place) -> Vec<String> {
    let list = place.objects.list(None).map_ok(|object| object.location.to_string());
    let mut names: Vec<_> = list.try_collect().await.unwrap();
    names.sort();
    names
}

async fn commit(place: &Place, manifest: &Manifest) -> Commit {
    place.store.commit(manifest).await.unwrap()
}

fn one_shard(number: u64) -> Manifest {
    manifest(number, vec![entry(b"blob", 1, id(1), id(1))])
}

#[tokio::test]
async fn an_empty_store_has_no_release() {
    everywhere(async |place| {
        assert_eq!(place.store.current().await.unwrap(), None);
        assert_eq!(place.store.manifest(release(1)).await.unwrap(), None);
        let error = place.store.verify(release(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no release 1");
    })
    .await;
}

#[tokio::test]
async fn a_commit_makes_the_release_current_and_is_read_as_it_was_written() {
    everywhere(async |place| {
        for number in 1..=11 {
            assert_eq!(commit(&place, &one_shard(number)).await, Commit::Won);
            assert_eq!(place.store.current().await.unwrap(), Some(one_shard(number)));
        }
        assert_eq!(place.store.manifest(release(2)).await.unwrap(), Some(one_shard(2)));
        assert!(names(&place).await.contains(&"releases/00000000000000000011.json".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn of_two_rivals_one_wins_and_the_other_loses() {
    everywhere(async |place| {
        let rival = Manifest { attempt: attempt(2), ..one_shard(1) };
        assert_eq!(commit(&place, &one_shard(1)).await, Commit::Won);
        assert_eq!(commit(&place, &rival).await, Commit::Lost);
        // Whoever asks again what became of its own put hears the same.
        assert_eq!(commit(&place, &one_shard(1)).await, Commit::Won);
        assert_eq!(place.store.manifest(release(1)).await.unwrap(), Some(one_shard(1)));
    })
    .await;
}

/// 32 publishers who all want this number.
async fn race(place: &Place, number: u64) {
    let rivals = (1..=32).map(|rival| Manifest { attempt: attempt(rival), ..one_shard(number) });
    let commits = rivals.map(|rival| {
        let store = place.store.clone();
        tokio::spawn(async move { (store.commit(&rival).await.unwrap(), rival) })
    });
    let ended = futures::future::try_join_all(commits.collect::<Vec<_>>()).await.unwrap();
    let winners: Vec<_> = ended.iter().filter(|(commit, _)| *commit == Commit::Won).collect();
    assert_eq!(winners.len(), 1, "release {number} over {}", place.kind);
    let there = place.store.manifest(release(number)).await.unwrap();
    assert_eq!(there.as_ref(), Some(&winners[0].1), "release {number} over {}", place.kind);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_rivals_at_once_exactly_one_wins_in_every_race() {
    everywhere(async |place| {
        // SeaweedFS lets a rival wait for a second, so the races are run beside each other.
        futures::future::join_all((1..=10).map(|number| race(&place, number))).await;
    })
    .await;
}

#[tokio::test]
async fn an_unclear_commit_becomes_clear_over_every_store() {
    everywhere(async |place| {
        let rival = |number| Manifest { attempt: attempt(2), ..one_shard(number) };
        let bytes = |manifest: &Manifest| Bytes::from(manifest.to_json().unwrap());
        for (number, fault, expected) in [
            (1, Fault::Fails, Commit::Won),
            (2, Fault::FailsAfterPersisting, Commit::Won),
            (3, Fault::IsRetriedBelow, Commit::Won),
            (4, Fault::PersistsLater, Commit::Won),
            (5, Fault::Rival(bytes(&rival(5))), Commit::Lost),
        ] {
            let what = format!("{fault:?} over {}", place.kind);
            let faulty = ReleaseStore::new(FaultyStore::new(place.objects.clone(), [fault]), what.clone());
            assert_eq!(faulty.commit(&one_shard(number)).await.unwrap(), expected, "{what}");
            let there = if expected == Commit::Won { one_shard(number) } else { rival(number) };
            assert_eq!(place.store.manifest(release(number)).await.unwrap(), Some(there), "{what}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_store_that_would_ignore_the_condition_is_refused_and_left_empty() {
    everywhere(async |place| {
        let faults = [Fault::IgnoresTheCondition, Fault::IgnoresTheCondition];
        let faulty = ReleaseStore::new(FaultyStore::new(place.objects.clone(), faults), "faulty".to_owned());
        let error = faulty.probe().await.unwrap_err().to_string();
        assert!(error.starts_with("the store at faulty does not honour create-if-absent"), "{error}");
        assert_eq!(names(&place).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn a_manifest_that_nobody_could_read_is_not_committed() {
    everywhere(async |place| {
        let error = place.store.commit(&Manifest { students: 2, ..one_shard(1) }).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the manifest releases/00000000000000000001.json: its shards do not add up to its students"
        );
        assert!(names(&place).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn foreign_objects_are_no_releases() {
    everywhere(async |place| {
        commit(&place, &one_shard(3)).await;
        for name in [
            "releases/4.json",
            "releases/00000000000000000005.json.bak",
            "releases/00000000000000000006.txt",
            "releases/old/00000000000000000007.json",
            "releases/-0000000000000000008.json",
            "releases/+0000000000000000008.json",
            "releases/99999999999999999999.json",
            "releases/00000000000000000000.json",
            "releases.json",
            "00000000000000000009.json",
        ] {
            place.overwrite(name, "not a release").await;
            assert_eq!(place.store.current().await.unwrap(), Some(one_shard(3)), "{name}");
        }
        place.overwrite("releases/18446744073709551615.json", "").await;
        let error = place.store.current().await.unwrap_err();
        assert!(
            error.to_string().starts_with("the manifest releases/18446744073709551615.json: "),
            "{error}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_probe_passes_a_store_that_honours_the_condition_and_leaves_nothing_behind() {
    everywhere(async |place| {
        place.store.probe().await.unwrap();
        place.store.probe().await.unwrap();
        assert_eq!(names(&place).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn a_shard_may_be_put_again_with_the_same_bytes_and_never_with_others() {
    everywhere(async |place| {
        let key = ShardKey { prefix: 0, digest: Digest::of(b"blob"), attempt: attempt(1) };
        for _ in 0..2 {
            place.store.put_shard(&key, "blob".into()).await.unwrap();
        }
        let error = place.store.put_shard(&key, "other".into()).await.unwrap_err();
        let expected =
            format!("{key} holds other bytes than it should: what was read back is not what was written");
        assert_eq!(error.to_string(), expected);
        let entry = ShardEntry { key, bytes: 4, students: 1, first_id: id(1), last_id: id(1) };
        assert_eq!(place.store.shard_bytes(&entry).await.unwrap(), "blob");
    })
    .await;
}

#[tokio::test]
async fn altered_truncated_and_missing_blobs_are_told_apart() {
    everywhere(async |place| {
        let entry = entry(b"blob", 1, id(1), id(1));
        let problem = async || place.store.shard_bytes(&entry).await.unwrap_err().to_string();
        assert!(problem().await.starts_with(&format!("reading {} in the store: ", entry.key)));
        for (bytes, expected) in [
            ("blo", "3 bytes instead of 4".to_owned()),
            ("blobs", "5 bytes instead of 4".to_owned()),
            ("blab", format!("their SHA-256 is {}", Digest::of(b"blab"))),
        ] {
            place.overwrite(entry.key.path(), bytes).await;
            let expected = format!("{} holds other bytes than it should: {expected}", entry.key);
            assert_eq!(problem().await, expected);
        }
    })
    .await;
}
