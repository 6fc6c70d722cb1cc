//! Proves that reading a release again finds everything that can be wrong with it, and nothing in a good one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod ids;
    pub(crate) mod manifests;
    pub(crate) mod places;
    pub(crate) mod releases;
    pub(crate) mod servers;
    pub(crate) mod shards;
}

use bytes::Bytes;
use object_store::ObjectStoreExt;
use results_day::{
    release::{Commit, Manifest, ReleaseError, ShardEntry, Verified},
    shard::ShardError,
};

use support::{
    ids::id,
    manifests::{entry, manifest, release},
    places::{Place, everywhere},
    releases::release_of_three_shards,
    shards::{blob, document},
};

/// Uploads the blobs of release 1 and commits it.
async fn publish(place: &Place, (manifest, shards): &(Manifest, Vec<(ShardEntry, Bytes)>)) {
    for (entry, blob) in shards {
        place.store.put_shard(&entry.key, blob.clone()).await.unwrap();
    }
    assert_eq!(place.store.commit(manifest).await.unwrap(), Commit::Won);
}

#[tokio::test]
async fn a_good_release_is_verified_and_counted() {
    everywhere(async |place| {
        let published = release_of_three_shards();
        publish(&place, &published).await;
        let bytes = published.1.iter().map(|(_, blob)| blob.len() as u64).sum();
        let (manifest, verified) = place.store.verify(release(1)).await.unwrap();
        assert_eq!(manifest, published.0);
        assert_eq!(verified, Verified { shards: 3, students: 998, bytes });
    })
    .await;
}

#[tokio::test]
async fn a_release_with_a_missing_or_an_altered_blob_is_not_whole() {
    everywhere(async |place| {
        let published = release_of_three_shards();
        publish(&place, &published).await;
        for (entry, blob) in &published.1 {
            let mut altered = blob.to_vec();
            altered[blob.len() / 2] ^= 1;
            place.overwrite(entry.key.path(), altered).await;
            let error = place.store.verify(release(1)).await.unwrap_err();
            assert!(matches!(&error, ReleaseError::Different { key, .. } if *key == entry.key.to_string()));

            place.objects.delete(&entry.key.path()).await.unwrap();
            let error = place.store.verify(release(1)).await.unwrap_err();
            let missing = |error: &object_store::Error| matches!(error, object_store::Error::NotFound { .. });
            assert!(matches!(&error, ReleaseError::Store { error, .. } if missing(error)), "{error}");
            place.overwrite(entry.key.path(), blob.clone()).await;
        }
        assert_eq!(place.store.verify(release(1)).await.unwrap().1.students, 998);
    })
    .await;
}

#[tokio::test]
async fn a_blob_that_is_not_the_shard_which_the_manifest_describes_is_found() {
    let documents = |ids: &[u32]| blob(ids.iter().map(|number| (id(*number), document(id(*number)))));
    let swapped = blob([(id(1), document(id(1))), (id(2), document(id(3))), (id(3), document(id(2)))]);
    let copied = blob([(id(1), document(id(1))), (id(2), document(id(2))), (id(3), document(id(2)))]);
    let nonsense = blob([(id(1), document(id(1))), (id(2), b"[]\n".to_vec()), (id(3), document(id(3)))]);
    let twice =
        blob([(id(1), document(id(1))), (id(2), document(id(2)).repeat(2)), (id(3), document(id(3)))]);
    let table = [
        (documents(&[1, 2, 3]), None),
        // Each has the hash that the manifest names, so that nothing but its content speaks against it.
        (documents(&[1_001, 1_002, 1_003]), Some("id 1001 at place 0 is out of order or not of this shard")),
        (documents(&[1, 3]), Some("holds other bytes than it should: 2 students instead of 3")),
        (documents(&[2, 3]), Some("holds other bytes than it should: 2 students instead of 3")),
        (copied, Some("holds the document of student 2 as that of 3")),
        (swapped, Some("holds the document of student 3 as that of 2")),
        (nonsense, Some("student 2: a document is one line that ends with a newline")),
        (twice, Some("student 2: a document is one line that ends with a newline")),
        (Bytes::from_static(b"blob"), Some("the blob has 4 bytes, too few for the seek table")),
    ];
    for (blob, fault) in table {
        let place = Place::memory();
        let entry = entry(&blob, 3, id(1), id(3));
        publish(&place, &(manifest(1, vec![entry.clone()]), vec![(entry, blob)])).await;
        let verified = place.store.verify(release(1)).await;
        match fault {
            None => assert_eq!(verified.unwrap().1.students, 3),
            Some(fault) => {
                let error = verified.unwrap_err().to_string();
                assert!(error.contains(fault), "{error} instead of {fault}");
            }
        }
    }
}

#[tokio::test]
async fn first_and_last_ids_that_are_not_in_the_blob_are_found() {
    let blob = blob([2, 3].map(|number| (id(number), document(id(number)))));
    for (first, last) in [(1, 3), (2, 4)] {
        let place = Place::memory();
        let entry = entry(&blob, 2, id(first), id(last));
        publish(&place, &(manifest(1, vec![entry.clone()]), vec![(entry, blob.clone())])).await;
        let error = place.store.verify(release(1)).await.unwrap_err().to_string();
        assert!(error.ends_with(&format!("ids 2 to 3 instead of {first} to {last}")), "{error}");
    }
}

#[tokio::test]
async fn a_frame_that_does_not_match_its_hash_is_found_though_the_blob_has_the_right_one() {
    let mut damaged = blob([1, 2, 3].map(|number| (id(number), document(id(number))))).to_vec();
    damaged[10] ^= 1;
    let place = Place::memory();
    let entry = entry(&damaged, 3, id(1), id(3));
    publish(&place, &(manifest(1, vec![entry.clone()]), vec![(entry, damaged.into())])).await;
    let error = place.store.verify(release(1)).await.unwrap_err();
    let damaged = ShardError::Damaged { id: id(1) };
    assert!(matches!(&error, ReleaseError::Shard { error, .. } if *error == damaged), "{error}");
}
