use results_day::{
    release::{Attempt, Digest, FORMAT, Manifest, ReleaseNumber, ShardEntry, ShardKey},
    shard::{ENCODER, Width},
    source::Origin,
    student::{RENDERER, StudentId},
};

/// The entry of a blob with students from one id to another, under the prefix of the first.
pub(crate) fn entry(blob: &[u8], students: u32, first_id: StudentId, last_id: StudentId) -> ShardEntry {
    let prefix = Width::DENSE.prefix(first_id);
    let key = ShardKey { prefix, digest: Digest::of(blob), attempt: attempt(1) };
    ShardEntry { key, bytes: blob.len() as u64, students, first_id, last_id }
}

/// A manifest of these shards, in which everything agrees.
pub(crate) fn manifest(number: u64, shards: Vec<ShardEntry>) -> Manifest {
    Manifest {
        format: FORMAT,
        number: release(number),
        parent: (number > 1).then(|| release(number - 1)),
        repeats: None,
        oldest: release(1),
        attempt: attempt(1),
        created: "2026-07-01T06:00:00Z".parse().unwrap(),
        not_before: None,
        renderer: RENDERER,
        encoder: ENCODER.to_owned(),
        source: Origin {
            data_set: "0123456789abcdef0123456789abcdef".to_owned(),
            system: "7481925930412345678".to_owned(),
            token: "fedcba9876543210".to_owned(),
            snapshot: "749:755:749,752".parse().unwrap(),
        },
        width: Width::DENSE,
        students: shards.iter().map(|shard| u64::from(shard.students)).sum(),
        first_id: shards.first().unwrap().first_id,
        last_id: shards.last().unwrap().last_id,
        shards,
    }
}

pub(crate) fn release(number: u64) -> ReleaseNumber {
    number.to_string().parse().unwrap()
}

/// The attempt with this number instead of random bits.
pub(crate) fn attempt(number: u64) -> Attempt {
    format!("{number:016x}").parse().unwrap()
}
