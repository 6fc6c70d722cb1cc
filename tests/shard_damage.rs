//! Proves that no damage to a blob, by chance or by intent, makes a reader panic or give a student bytes that
//! were not written for that very student.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod ids;
    pub(crate) mod shards;
}

use std::{ops::Range, sync::LazyLock};

use bytes::Bytes;
use proptest::{collection, prelude::*, sample::Index};
use results_day::{
    shard::{Frame, Shard, ShardError},
    student::StudentId,
};

use support::{
    ids::id,
    shards::{blob, document},
};

/// The ids of [`small`]; the shard that is asked for them holds 1 to 999.
const IDS: [u32; 3] = [7, 8, 300];

fn small() -> Bytes {
    static SMALL: LazyLock<Bytes> =
        LazyLock::new(|| blob(IDS.map(|number| (id(number), document(id(number))))));
    SMALL.clone()
}

/// Where everything lies in the blob of [`IDS`], worked out from the format and not from the code.
struct Layout {
    frames: Vec<Range<usize>>,
    index: usize,
    ids: Vec<Range<usize>>,
    offsets: Vec<Range<usize>>,
    hashes: Vec<Range<usize>>,
    seek_table: usize,
    compressed_sizes: Vec<Range<usize>>,
    decompressed_sizes: Vec<Range<usize>>,
}

impl Layout {
    fn of_small() -> Self {
        let mut frames: Vec<Range<usize>> = Vec::new();
        for (_, frame) in frames_of(&open(small()).unwrap()) {
            let start = frames.last().map_or(0, |last| last.end);
            frames.push(start..start + frame.bytes.len());
        }
        let index = frames[2].end;
        let seek_table = index + 20 + 16 * 3;
        assert_eq!(seek_table + 8 + 8 * 4 + 9, small().len());
        let column = |start: usize, entry: usize, size: usize, entries: usize| {
            (0..entries).map(|place| start + place * entry..start + place * entry + size).collect()
        };
        Self {
            frames,
            index,
            ids: column(index + 20, 16, 4, 3),
            offsets: column(index + 24, 16, 4, 3),
            hashes: column(index + 28, 16, 8, 3),
            seek_table,
            compressed_sizes: column(seek_table + 8, 8, 4, 4),
            decompressed_sizes: column(seek_table + 12, 8, 4, 4),
        }
    }
}

/// Which of the parts holds this byte.
fn part(parts: &[Range<usize>], byte: usize) -> Option<usize> {
    parts.iter().position(|part| part.contains(&byte))
}

fn open(blob: Bytes) -> Result<Shard, ShardError> {
    Shard::open(blob, 1..=999)
}

fn frames_of(shard: &Shard) -> Vec<(StudentId, Frame)> {
    shard.frames().filter_map(Result::ok).collect()
}

/// Whatever is found anywhere in `blob` must be a frame that was written for that student.
fn nothing_wrong_is_found(blob: Bytes, written: &[&Shard]) {
    let Ok(shard) = open(blob) else { return };
    let genuine = |id: StudentId, frame: &Frame| {
        written.iter().any(|shard| shard.find(id).unwrap().is_some_and(|genuine| genuine == *frame))
    };
    for (id, frame) in frames_of(&shard) {
        assert!(genuine(id, &frame), "the frames held a wrong one of student {id}");
    }
    for number in [1, 6, 7, 8, 9, 10, 299, 300, 301, 999] {
        if let Ok(Some(frame)) = shard.find(id(number)) {
            assert!(genuine(id(number), &frame), "a wrong frame of student {number} was found");
        }
    }
}

#[test]
fn a_shard_cut_short_anywhere_is_refused() {
    let blob = small();
    for length in 0..blob.len() {
        assert!(open(blob.slice(..length)).is_err(), "{length} bytes of {}", blob.len());
        assert!(open(blob.slice(length + 1..)).is_err(), "without the first {} bytes", length + 1);
    }
}

#[test]
fn every_flipped_bit_is_refused_or_harms_nobody_but_the_student_it_hits() {
    let genuine = open(small()).unwrap();
    let layout = Layout::of_small();
    for byte in 0..small().len() {
        for bit in 0..8 {
            let mut flipped = small().to_vec();
            flipped[byte] ^= 1 << bit;
            nothing_wrong_is_found(flipped.clone().into(), &[&genuine]);

            let hit = part(&layout.frames, byte).or(part(&layout.hashes, byte));
            let harmless = part(&layout.decompressed_sizes, byte).is_some();
            let id_of = part(&layout.ids, byte);
            match (open(flipped.into()), id_of) {
                (Err(_), _) => {
                    assert!(hit.is_none() && !harmless, "refused for byte {byte}, which only one needs")
                }
                (Ok(shard), Some(place)) => a_student_is_lost(&shard, &genuine, place),
                (Ok(shard), None) => {
                    assert!(hit.is_some() || harmless, "byte {byte}, bit {bit} was not missed");
                    for (place, number) in IDS.into_iter().enumerate() {
                        let expected = match hit {
                            Some(hit) if hit == place => Err(ShardError::Damaged { id: id(number) }),
                            _ => genuine.find(id(number)),
                        };
                        assert_eq!(shard.find(id(number)), expected, "byte {byte}, bit {bit}");
                    }
                }
            }
        }
    }
}

/// A changed id can only be noticed by the hash of the whole blob. Then its student is not found, nobody else
/// is found in the place, and everybody else is where they were.
fn a_student_is_lost(shard: &Shard, genuine: &Shard, place: usize) {
    for (other, number) in IDS.into_iter().enumerate() {
        let expected = if other == place { Ok(None) } else { genuine.find(id(number)) };
        assert_eq!(shard.find(id(number)), expected);
    }
    let errors: Vec<ShardError> = shard.frames().filter_map(Result::err).collect();
    assert!(matches!(errors[..], [ShardError::Damaged { .. }]), "{errors:?}");
}

#[test]
fn giant_counts_are_refused_before_anything_is_made_of_them() {
    let blob = small();
    let layout = Layout::of_small();
    for (part, offset) in [
        ("the index's size", layout.index + 4),
        ("the number of students", layout.index + 16),
        ("the seek table's size", layout.seek_table + 4),
        ("the index's size in the seek table", layout.compressed_sizes[3].start),
        ("a frame's size in the seek table", layout.compressed_sizes[0].start),
        ("a frame's offset", layout.offsets[2].start),
        ("the number of frames", blob.len() - 9),
    ] {
        for count in [0, 1, 2, 5, 0x1FFF_FFFF, 0x2000_0000, 0x7FFF_FFFF, u32::MAX - 1, u32::MAX] {
            let mut hostile = blob.to_vec();
            hostile[offset..offset + 4].copy_from_slice(&count.to_le_bytes());
            assert!(open(hostile.into()).is_err(), "{part}: {count}");
        }
    }
}

#[test]
fn what_is_no_shard_is_called_by_its_fault() {
    let altered = |offset: usize, bytes: &[u8]| {
        let mut blob = small().to_vec();
        blob[offset..offset + bytes.len()].copy_from_slice(bytes);
        open(blob.into()).unwrap_err().to_string()
    };
    let layout = Layout::of_small();
    let end = small().len();
    assert_eq!(
        open(Bytes::new()).unwrap_err().to_string(),
        "the blob has 0 bytes, too few for the seek table"
    );
    let magic = altered(end - 1, b"?");
    assert_eq!(magic, format!("the seek table does not carry its magic number at byte {}", end - 4));
    let descriptor = altered(end - 5, &[0x80]);
    assert_eq!(descriptor, "the seek table and the index disagree: its descriptor is not 0");
    let version = altered(layout.index + 12, &2_u32.to_le_bytes());
    assert_eq!(version, "the index has version 2, this reader knows version 1");
    let order = altered(layout.ids[0].start, &9_u32.to_le_bytes());
    assert_eq!(order, "id 8 at place 1 is out of order or not of this shard");
    let offset = altered(layout.offsets[0].start, &1_u32.to_le_bytes());
    assert_eq!(offset, "the frame at place 0 does not start where the one before it ends");
}

proptest! {
    #[test]
    fn garbage_is_refused(mut garbage in collection::vec(any::<u8>(), 0..400), footer in any::<bool>()) {
        if footer {
            garbage.extend([0, 0xB1, 0xEA, 0x92, 0x8F]);
        }
        prop_assert!(open(garbage.into()).is_err());
    }

    #[test]
    fn overwritten_bytes_never_give_a_wrong_frame(
        writes in collection::vec((any::<Index>(), collection::vec(any::<u8>(), 1..9)), 1..8)
    ) {
        let genuine = open(small()).unwrap();
        let mut blob = small().to_vec();
        for (offset, bytes) in writes {
            let offset = offset.index(blob.len());
            let length = bytes.len().min(blob.len() - offset);
            blob[offset..offset + length].copy_from_slice(&bytes[..length]);
        }
        nothing_wrong_is_found(blob.into(), &[&genuine]);
    }

    #[test]
    fn two_shards_spliced_never_give_a_wrong_frame(cut in any::<Index>(), shift in -24_isize..=24, swap in any::<bool>()) {
        let (one, other) = (small(), blob(IDS.map(|number| (id(number + 1), document(id(number))))));
        let (one, other) = if swap { (other, one) } else { (one, other) };
        let cut = cut.index(one.len());
        let from = cut.saturating_add_signed(shift).min(other.len());
        let written = [&open(one.clone()).unwrap(), &open(other.clone()).unwrap()];
        nothing_wrong_is_found([&one[..cut], &other[from..]].concat().into(), &written);
    }
}
