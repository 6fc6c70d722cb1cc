//! Proves that reading a release again finds everything that can be wrong with it, and nothing in a good one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod faulty_store;
    pub(crate) mod ids;
    pub(crate) mod manifests;
    pub(crate) mod places;
    pub(crate) mod releases;
    pub(crate) mod servers;
    pub(crate) mod shards;
}

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use results_day::{
    release::{Commit, Differences, Manifest, ReleaseError, ReleaseStore, ShardEntry, Verified},
    shard::ShardError,
    student::{self, RENDERER},
};

use support::{
    faulty_store::FaultyStore,
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

/// Everything that an inspection says is wrong, in its order, and how much it has read.
async fn inspect(store: &ReleaseStore, manifest: &Manifest) -> Result<(Vec<String>, Verified), ReleaseError> {
    let mut all = Differences::<ReleaseError>::default();
    let mut read = Verified::default();
    let shards: Vec<_> = store.inspect(manifest).try_collect().await?;
    assert!(shards.iter().map(|shard| &shard.entry).eq(&manifest.shards), "they come in order");
    for shard in shards {
        all.append(shard.differences);
        read += shard.read;
    }
    assert_eq!(all.count(), all.first().len() as u64);
    Ok((all.first().iter().map(ToString::to_string).collect(), read))
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

#[tokio::test]
async fn everything_that_is_wrong_is_reported_and_names_its_object() {
    everywhere(async |place| {
        let published = release_of_three_shards();
        publish(&place, &published).await;
        let [(first, one), (second, _), (third, three)] = &published.1[..] else { unreachable!() };
        // A byte of the first frame, which belongs to student 1.
        let mut altered = one.to_vec();
        altered[20] ^= 1;
        place.overwrite(first.key.path(), altered).await;
        place.objects.delete(&second.key.path()).await.unwrap();
        place.overwrite(third.key.path(), three.slice(1..)).await;

        let (found, read) = inspect(&place.store, &published.0).await.unwrap();
        let (first, second, third) = (&first.key, &second.key, &third.key);
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(
            found[0].starts_with(&format!("{first} holds other bytes than it should: their SHA-256 is "))
        );
        assert_eq!(found[1], format!("the shard {first}: the frame of student 1 does not match its hash"));
        assert!(found[2].starts_with(&format!("reading {second} in the store: ")), "{}", found[2]);
        let bytes = three.len();
        let shorter = format!("{} bytes instead of {bytes}", bytes - 1);
        assert_eq!(found[3], format!("{third} holds other bytes than it should: {shorter}"));
        assert_eq!(read, Verified { shards: 1, students: 499, bytes: one.len() as u64 });
        // Who wants to know only whether it is whole hears the first of it.
        assert_eq!(place.store.verify(release(1)).await.unwrap_err().to_string(), found[0]);
    })
    .await;
}

#[tokio::test]
async fn every_student_of_one_blob_of_whom_something_is_wrong_is_named() {
    let with_a_wrong_sum = String::from_utf8(document(id(4))).unwrap().replace("\"total\":", "\"total\":1");
    let documents = [
        (id(1), document(id(1))),
        (id(2), document(id(3))),
        (id(3), b"{}\n".to_vec()),
        (id(4), with_a_wrong_sum.into_bytes()),
        (id(5), document(id(5))),
    ];
    let mut blob = blob(documents).to_vec();
    blob[10] ^= 1;
    // What the seek table says of the index, which holds no document.
    let place_of_the_size = blob.len() - 9 - 4;
    blob[place_of_the_size] = 1;
    let entry = entry(&blob, 6, id(1), id(6));
    let key = entry.key.to_string();
    let place = Place::memory();
    let published = (manifest(1, vec![entry.clone()]), vec![(entry, Bytes::from(blob))]);
    publish(&place, &published).await;
    let (found, read) = inspect(&place.store, &published.0).await.unwrap();
    assert_eq!(
        found,
        [
            format!("{key} holds other bytes than it should: 5 students instead of 6"),
            format!("{key} holds other bytes than it should: ids 1 to 5 instead of 1 to 6"),
            format!("the shard {key}: the frame of student 1 does not match its hash"),
            format!("the shard {key} holds the document of student 3 as that of 2"),
            format!("the shard {key}, student 3: a document starts with {{\"id\": and a student's id"),
            format!(
                "the shard {key}, student 4: a document is byte for byte what is rendered from its values"
            ),
            format!(
                "the shard {key}: the seek table and the index disagree: the index is said to hold a document"
            ),
        ]
    );
    assert_eq!(read.students, 5);
}

#[tokio::test]
async fn the_documents_of_another_renderer_are_not_compared_with_what_this_one_would_make() {
    let spaced = |number: u32| {
        let document = String::from_utf8(document(id(number))).unwrap();
        (id(number), document.replace("\"total\":", "\"total\": ").into_bytes())
    };
    assert!(student::parse(&spaced(1).1).is_err());
    let blob = blob([1, 2].map(spaced));
    for (renderer, wrong) in [(RENDERER, 2), (RENDERER + 1, 0)] {
        let place = Place::memory();
        let entry = entry(&blob, 2, id(1), id(2));
        let manifest = Manifest { renderer, ..manifest(1, vec![entry.clone()]) };
        publish(&place, &(manifest.clone(), vec![(entry, blob.clone())])).await;
        let (found, _) = inspect(&place.store, &manifest).await.unwrap();
        assert_eq!(found.len(), wrong, "{found:#?}");
    }
}

#[tokio::test]
async fn of_very_much_that_is_wrong_the_beginning_is_kept_and_the_rest_counted() {
    let blob = blob((1..=400).map(|number| (id(number), b"nonsense".to_vec())));
    let place = Place::memory();
    let entries: Vec<_> = (0..2).map(|_| entry(&blob, 400, id(1), id(400))).collect();
    publish(&place, &(manifest(1, vec![entries[0].clone()]), vec![(entries[0].clone(), blob)])).await;
    let mut all = Differences::<ReleaseError>::default();
    for entry in entries {
        let manifest = manifest(1, vec![entry]);
        let shards: Vec<_> = place.store.inspect(&manifest).try_collect().await.unwrap();
        for shard in shards {
            all.append(shard.differences);
        }
    }
    assert_eq!((all.first().len(), all.count()), (Differences::<ReleaseError>::KEPT, 800));
    let named = |place: usize| all.first()[place].to_string().contains(&format!("student {}:", place + 1));
    assert!((0..100).all(named), "the first are kept");
}

#[tokio::test]
async fn a_store_that_is_away_ends_an_inspection_and_a_few_objects_that_cannot_be_read_do_not() {
    for (shards, ends) in [(7, false), (8, true), (30, true)] {
        let blobs =
            (0..shards).map(|prefix| blob([(id(prefix * 1_000 + 1), document(id(prefix * 1_000 + 1)))]));
        let shards: Vec<_> = blobs
            .zip(0..)
            .map(|(blob, prefix)| (entry(&blob, 1, id(prefix * 1_000 + 1), id(prefix * 1_000 + 1)), blob))
            .collect();
        let manifest = manifest(1, shards.iter().map(|(entry, _)| entry.clone()).collect());
        let place = Place::memory();
        publish(&place, &(manifest.clone(), shards.clone())).await;
        let faulty = FaultyStore::new(place.objects.clone(), []);
        let store = ReleaseStore::new(faulty.clone(), "faulty".to_owned());
        assert_eq!(inspect(&store, &manifest).await.unwrap().0, [""; 0]);
        faulty.go_deaf();
        match inspect(&store, &manifest).await {
            Ok((found, _)) => {
                assert!(!ends);
                let names = |(found, (entry, _)): (&String, &(ShardEntry, Bytes))| {
                    found.starts_with(&format!("reading {} in the store: ", entry.key))
                };
                assert!(found.len() == shards.len() && found.iter().zip(&shards).all(names), "{found:#?}");
            }
            Err(error) => {
                assert!(ends && matches!(&error, ReleaseError::Store { .. }), "{error}");
            }
        }
    }
}
