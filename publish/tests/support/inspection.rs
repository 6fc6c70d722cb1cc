#![allow(dead_code, reason = "each test program uses its own part of this")]

use results_day::release::{Manifest, ReleaseError, ReleaseNumber, ReleaseStore};

/// Reads everything that is kept in a store, and asserts that it is whole. What is kept, the current release last.
pub(crate) async fn kept_and_whole(store: &ReleaseStore, what: &str) -> Vec<Manifest> {
    kept_and_whole_but_for(store, what, |_| false).await
}

/// The same, but what is known to be whole is not read again.
pub(crate) async fn kept_and_whole_but_for(
    store: &ReleaseStore,
    what: &str,
    is_known: impl Fn(&Manifest) -> bool,
) -> Vec<Manifest> {
    let kept = store.kept().await.unwrap_or_else(|error| panic!("{what}: {error}"));
    for (place, manifest) in kept.iter().enumerate() {
        if !is_known(manifest)
            && let Err(error) = store.verify(manifest.number).await
        {
            panic!("{what}: release {} of {} is not whole: {error}", manifest.number, kept.len());
        }
        let parent = place.checked_sub(1).map(|before| kept[before].number);
        assert!(place == 0 || manifest.parent == parent, "{what}: {} follows {parent:?}", manifest.number);
        let before = place.checked_sub(1).map_or(manifest.oldest, |before| kept[before].oldest);
        assert!(before <= manifest.oldest, "{what}: release {} keeps more again", manifest.number);
    }
    let Some(current) = kept.last() else { return kept };
    let mut number = ReleaseNumber::FIRST;
    while number < current.oldest {
        match store.manifest(number).await {
            // A collection that was cut off has left it for the next one.
            Ok(Some(_)) | Err(ReleaseError::Collected { .. }) => {}
            other => panic!("{what}: the number {number} is free, or worse: {other:?}"),
        }
        number = number.next();
    }
    assert_eq!(store.manifest(current.number.next()).await.unwrap(), None, "{what}");
    kept
}
