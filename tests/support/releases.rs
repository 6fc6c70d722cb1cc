use bytes::Bytes;
use results_day::release::{Manifest, ShardEntry};

use super::{
    ids::id,
    manifests::{entry, manifest},
    shards::{blob, document},
};

/// Release 1, of 998 students in three shards, and the blobs that it names.
pub(crate) fn release_of_three_shards() -> (Manifest, Vec<(ShardEntry, Bytes)>) {
    let shards: Vec<_> = [(1, 499), (1_000, 1_497), (900_000_999, 900_000_999)]
        .into_iter()
        .map(|(first, last)| {
            let blob = blob((first..=last).map(|number| (id(number), document(id(number)))));
            (entry(&blob, last - first + 1, id(first), id(last)), blob)
        })
        .collect();
    (manifest(1, shards.iter().map(|(entry, _)| entry.clone()).collect()), shards)
}
