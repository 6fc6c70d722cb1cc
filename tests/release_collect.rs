//! Proves what a collection keeps, what it takes away, and that nobody who is at work beside it loses anything.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod bins;
    pub(crate) mod faulty_store;
    pub(crate) mod ids;
    pub(crate) mod manifests;
    pub(crate) mod shards;
    pub(crate) mod ticking_store;
}

use std::{fs, time::Duration};

use jiff::{SignedDuration, Timestamp};
use object_store::ObjectStoreExt;
use results_day::release::{Collection, Commit, Manifest, ReleaseError, ReleaseStore, embargo};

use support::{
    bins::{Bin, DAY, everywhere, spared},
    faulty_store::{Blur, FaultyStore},
    manifests::{attempt, release},
};

/// The numbers of the releases that are kept.
async fn kept(bin: &Bin) -> Vec<u64> {
    bin.store.kept().await.unwrap().iter().map(|manifest| manifest.number.get()).collect()
}

fn numbers(collection: &Collection) -> Vec<u64> {
    collection.releases.iter().map(|number| number.get()).collect()
}

#[tokio::test]
async fn as_many_releases_are_kept_as_differ_and_fences_do_not_count() {
    everywhere(async |bin| {
        for number in 1..=5 {
            bin.publish(number).await;
        }
        bin.pass(DAY).await;
        let collected = bin.store.collect(spared(3, 0)).await.unwrap();
        assert_eq!((collected.oldest, collected.fence), (Some(release(3)), Some(release(6))));
        // Each has a blob of its own.
        assert_eq!((numbers(&collected), collected.objects), (vec![1, 2], 2));
        assert_eq!(kept(&bin).await, [3, 4, 5, 6]);
        bin.pass(DAY).await;
        // The fence shows what release 5 does: release 3 is still the third.
        assert_eq!(bin.store.collect(spared(3, 0)).await.unwrap().fence, None);
        let collected = bin.store.collect(spared(2, 0)).await.unwrap();
        assert_eq!((numbers(&collected), collected.objects), (vec![3], 1));
        assert_eq!(kept(&bin).await, [4, 5, 6, 7]);
        bin.is_whole().await;
    })
    .await;
}

#[tokio::test]
async fn a_rollback_counts_as_the_release_that_it_is_and_keeps_what_it_names() {
    everywhere(async |bin| {
        for number in 1..=3 {
            bin.publish(number).await;
        }
        bin.store.roll_back(release(1)).await.unwrap().unwrap();
        bin.pass(DAY).await;
        let collected = bin.store.collect(spared(1, 0)).await.unwrap();
        // What release 1 named is named by release 4 and by its fence; the numbers go on.
        assert_eq!((numbers(&collected), collected.objects), (vec![1, 2, 3], 2));
        assert_eq!(kept(&bin).await, [4, 5]);
        let current = bin.store.current().await.unwrap().unwrap();
        assert!(current.is_rollback(), "who looks at the fence looks at a rollback");
        bin.is_whole().await;
    })
    .await;
}

#[tokio::test]
async fn what_was_current_within_the_grace_period_is_kept_and_so_is_what_was_written_in_it() {
    everywhere(async |bin| {
        bin.publish(1).await;
        bin.pass(DAY).await;
        bin.publish(2).await;
        bin.orphan("old").await;
        bin.pass(DAY).await;
        bin.publish(3).await;
        bin.orphan("new").await;
        bin.pass(Duration::from_secs(600)).await;
        // Release 2 was current until ten minutes ago, release 1 until a day before that.
        let collected = bin.store.collect(spared(1, 3_600)).await.unwrap();
        assert_eq!((numbers(&collected), collected.objects), (vec![1], 2));
        assert_eq!(kept(&bin).await, [2, 3, 4]);
        let orphans = bin.names("shards/9/").await;
        assert!(orphans.len() == 1 && orphans[0].contains("new"), "{orphans:?}");
        bin.is_whole().await;
    })
    .await;
}

#[tokio::test]
async fn an_hour_to_come_is_never_collected_whatever_was_published_since() {
    everywhere(async |bin| {
        bin.publish(1).await;
        let hour = Timestamp::now() + SignedDuration::from_hours(1_000);
        let (mut staged, _) = bin.release(2).await;
        staged.source.data_set = "staged".to_owned();
        staged.not_before = Some(hour);
        assert_eq!(bin.store.commit(&staged).await.unwrap(), Commit::Won);
        for number in 3..=5 {
            bin.publish(number).await;
        }
        bin.pass(DAY).await;
        let collected = bin.store.collect(spared(1, 0)).await.unwrap();
        assert_eq!((numbers(&collected), collected.oldest), (vec![1], Some(release(2))));
        let current = bin.store.current().await.unwrap().unwrap();
        let told = bin.store.kept_of("staged", &current).await.unwrap();
        let now = Timestamp::now();
        assert_eq!(embargo(&told, "staged", None, now).unwrap(), Some(hour));
    })
    .await;
}

#[tokio::test]
async fn a_tombstone_is_never_anything_else_and_its_number_never_free_again() {
    everywhere(async |bin| {
        let (first, _) = bin.release(1).await;
        bin.publish(1).await;
        bin.publish(2).await;
        bin.pass(DAY).await;
        bin.store.collect(spared(1, 0)).await.unwrap();
        let tombstone = bin.bytes(&release(1).path()).await;
        let text = String::from_utf8(tombstone.to_vec()).unwrap();
        assert!(text.starts_with("{\"format\":1,\"number\":1,\"collected\":\""), "{text}");
        assert!(text.ends_with("Z\"}\n") && text.len() <= 128, "{text}");
        let error = bin.store.manifest(release(1)).await.unwrap_err();
        assert!(matches!(error, ReleaseError::Collected { number, .. } if number == release(1)), "{error}");
        // Whoever slept through all of it commits nothing under that number.
        assert_eq!(bin.store.commit(&first).await.unwrap(), Commit::Lost);
        bin.publish(4).await;
        bin.pass(DAY).await;
        let collected = bin.store.collect(spared(1, 0)).await.unwrap();
        assert_eq!(numbers(&collected), [2, 3]);
        assert_eq!(bin.bytes(&release(1).path()).await, tombstone);
    })
    .await;
}

#[tokio::test]
async fn a_publisher_that_stalled_before_the_fence_commits_nothing_that_was_deleted() {
    everywhere(async |bin| {
        bin.publish(1).await;
        bin.publish(2).await;
        // It has written its blobs, and falls asleep before its commit.
        let (stalled, blobs) = bin.release(3).await;
        for (entry, blob) in &blobs {
            bin.store.put_shard(&entry.key, blob.clone()).await.unwrap();
        }
        bin.pass(DAY).await;
        let collected = bin.store.collect(spared(1, 0)).await.unwrap();
        assert_eq!((collected.fence, collected.objects), (Some(release(3)), 2));
        assert_eq!(bin.store.commit(&stalled).await.unwrap(), Commit::Lost);
        bin.is_whole().await;
        // One that began after the fence has written what is younger than it.
        let (awake, blobs) = bin.release(4).await;
        for (entry, blob) in &blobs {
            bin.store.put_shard(&entry.key, blob.clone()).await.unwrap();
        }
        assert_eq!(bin.store.commit(&Manifest { attempt: attempt(9), ..awake }).await.unwrap(), Commit::Won);
        bin.is_whole().await;
    })
    .await;
}

#[tokio::test]
async fn what_dead_programs_left_goes_when_it_is_old_enough() {
    everywhere(async |bin| {
        bin.publish(1).await;
        bin.orphan("orphan").await;
        bin.objects.put(&"probes/0123456789abcdef".into(), "probe".into()).await.unwrap();
        let mut litter = Vec::new();
        if let Some(folder) = bin.folder() {
            fs::create_dir_all(folder.join("shards/9/deep")).unwrap();
            for name in
                ["releases/00000000000000000002.json#1", "shards/9/deep/blob.json.zst#12", "probes/0#3"]
            {
                fs::write(folder.join(name), "half").unwrap();
                litter.push(folder.join(name));
            }
            // Nobody's to take away.
            fs::write(folder.join("releases/notes#about.txt"), "").unwrap();
        }
        bin.pass(Duration::from_secs(60)).await;
        let collected = bin.store.collect(spared(1, 3_600)).await.unwrap();
        assert_eq!((collected.objects, collected.fence), (0, None));
        let collected = bin.store.collect(spared(1, 0)).await.unwrap();
        assert_eq!(collected.objects, 1 + litter.len() as u64);
        assert_eq!(bin.names("shards/9/orphan").await, [""; 0]);
        // A probe may still be somebody's, however short the grace is.
        assert_eq!(bin.names("probes/").await, ["probes/0123456789abcdef"]);
        bin.pass(DAY).await;
        assert_eq!(bin.store.collect(spared(1, 0)).await.unwrap().objects, 1);
        assert_eq!(bin.names("probes/").await, [""; 0]);
        assert!(litter.iter().all(|path| !path.exists()), "{litter:?}");
        assert!(bin.folder().is_none_or(|folder| folder.join("releases/notes#about.txt").exists()));
        assert_eq!(kept(&bin).await, [1, 2, 3]);
        bin.is_whole().await;
    })
    .await;
}

#[tokio::test]
async fn a_dry_run_says_what_would_go_and_changes_nothing() {
    everywhere(async |bin| {
        for number in 1..=3 {
            bin.publish(number).await;
        }
        bin.orphan("orphan").await;
        bin.pass(DAY).await;
        let before = bin.everything().await;
        let would = bin.store.collectable(spared(1, 0)).await.unwrap();
        assert_eq!(bin.everything().await, before);
        let did = bin.store.collect(spared(1, 0)).await.unwrap();
        assert_eq!(would, Collection { fence: None, ..did });
        assert_eq!((numbers(&would), would.objects), (vec![1, 2], 3));
    })
    .await;
}

#[tokio::test]
async fn where_nothing_is_to_be_done_no_fence_is_committed_and_nothing_is_written() {
    everywhere(async |bin| {
        assert_eq!(bin.store.collect(spared(1, 0)).await.unwrap(), Collection::default());
        bin.publish(1).await;
        bin.publish(2).await;
        bin.pass(DAY).await;
        assert_eq!(bin.store.collect(spared(1, 0)).await.unwrap().fence, Some(release(3)));
        bin.pass(DAY).await;
        let before = bin.everything().await;
        for _ in 0..2 {
            let again = bin.store.collect(spared(1, 0)).await.unwrap();
            assert_eq!(again, Collection { oldest: Some(release(2)), ..Collection::default() });
        }
        assert_eq!(bin.everything().await, before);
    })
    .await;
}

#[tokio::test]
async fn a_rollback_to_what_was_given_up_is_refused_with_what_is_kept() {
    everywhere(async |bin| {
        for number in 1..=3 {
            bin.publish(number).await;
        }
        bin.pass(DAY).await;
        bin.store.collect(spared(2, 0)).await.unwrap();
        let error = bin.store.roll_back(release(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "release 1 was given up to collection; the oldest that is kept is 2");
        assert_eq!(bin.store.roll_back(release(7)).await.unwrap_err().to_string(), "there is no release 7");
        assert_eq!(kept(&bin).await, [2, 3, 4]);
        assert_eq!(bin.store.roll_back(release(2)).await.unwrap().unwrap().number, release(5));
        bin.is_whole().await;
    })
    .await;
}

#[tokio::test]
async fn a_listing_that_lags_never_lets_a_kept_release_lose_a_blob() {
    everywhere(async |bin| {
        bin.publish(1).await;
        bin.pass(DAY).await;
        let mut pasts = vec![Vec::new(), bin.everything().await];
        for number in 2..=4 {
            bin.publish(number).await;
            bin.pass(DAY).await;
            pasts.push(bin.everything().await);
        }
        for past in pasts {
            let past = past.into_iter().map(|(object, _)| object).collect();
            let lagging = FaultyStore::through(bin.objects.clone(), Blur::Lags(None, past));
            let store = ReleaseStore::new(lagging, "lagging".to_owned());
            store.collect(spared(2, 0)).await.unwrap_or_else(|error| panic!("over {}: {error}", bin.kind));
            bin.is_whole().await;
        }
        bin.pass(DAY).await;
        bin.store.collect(spared(1, 0)).await.unwrap();
        bin.is_whole().await;
    })
    .await;
}
