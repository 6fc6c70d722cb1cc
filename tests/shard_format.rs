//! Proves what a shard promises: every student comes back byte for byte, and tools that know nothing of this
//! project can read the blob.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod ids;
    pub(crate) mod shards;
}

use std::{collections::BTreeMap, io::Write, process::Command};

use proptest::{collection, prelude::*};
use results_day::{
    shard::{Compressor, Frame, Shard, ShardError, ShardWriter, decompress, decompressed_size},
    student::StudentId,
};
use zeekstd::{BytesWrapper, DecodeOptions, Decoder, SeekTable};

use support::{
    ids::id,
    shards::{blob, document},
};

type Documents = BTreeMap<StudentId, Vec<u8>>;

/// Students as a nation has them, one behind the other with a gap here and there, or strewn over all ids.
fn any_documents() -> impl Strategy<Value = Documents> {
    let line = prop_oneof![
        any::<u32>().prop_map(|number| document(id(number % 999_999_999 + 1))),
        collection::vec(any::<u8>(), 0..600).prop_map(|mut bytes| {
            bytes.retain(|byte| *byte != b'\n');
            bytes.push(b'\n');
            bytes
        }),
    ];
    let gaps = prop_oneof![Just(1..2_u32), Just(1..4), Just(1..10_000_000)];
    let start = 1..=1_000_u32;
    (start, gaps.prop_flat_map(move |gaps| collection::vec((gaps, line.clone()), 1..80))).prop_map(
        |(start, steps)| {
            let mut number = start;
            let place = |(gap, line)| {
                number += gap;
                (id(number), line)
            };
            steps.into_iter().map(place).collect()
        },
    )
}

fn open(documents: &Documents) -> Shard {
    let (first, last) = (documents.keys().next().unwrap().get(), documents.keys().last().unwrap().get());
    Shard::open(blob(documents), first..=last).unwrap()
}

/// What the `zstd` program makes of these bytes.
fn zstd_program(bytes: &[u8]) -> Vec<u8> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let output = Command::new("zstd").arg("-dc").arg(file.path()).output();
    let output = output.unwrap_or_else(|error| {
        panic!("the zstd program, which these tests need, cannot be started: {error}")
    });
    assert!(output.status.success(), "zstd -dc: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn zeekstd_all(mut decoder: Decoder<'_, BytesWrapper<'_>>, capacity: usize) -> Vec<u8> {
    let mut out = vec![0; capacity + 1];
    let mut filled = 0;
    loop {
        match decoder.decompress(&mut out[filled..]).unwrap() {
            0 => break,
            some => filled += some,
        }
    }
    out.truncate(filled);
    out
}

proptest! {
    #[test]
    fn every_student_is_found_with_exactly_the_document_that_was_written(documents in any_documents()) {
        let shard = open(&documents);
        prop_assert_eq!(shard.students(), documents.len());
        for (id, document) in &documents {
            let frame = shard.find(*id).unwrap().unwrap();
            prop_assert_eq!(decompressed_size(&frame.bytes), Ok(document.len()));
            prop_assert_eq!(&decompress(&frame.bytes).unwrap(), document);
            prop_assert_eq!(&frame, &Frame::new(*id, frame.bytes.clone()));
            for absent in [id.get() - 1, id.get() + 1] {
                if let Some(absent) = StudentId::new(absent).ok().filter(|id| !documents.contains_key(id)) {
                    prop_assert_eq!(shard.find(absent), Ok(None));
                }
            }
        }
        prop_assert_eq!(shard.find(StudentId::MAX), Ok(None));
    }

    #[test]
    fn the_frames_come_in_id_order_and_are_those_that_are_found(documents in any_documents()) {
        let shard = open(&documents);
        let frames: Vec<(StudentId, Frame)> = shard.frames().map(Result::unwrap).collect();
        prop_assert!(frames.iter().map(|(id, _)| id).eq(documents.keys()));
        for (id, frame) in frames {
            prop_assert_eq!(shard.find(id), Ok(Some(frame)));
        }
    }

    #[test]
    fn the_same_students_give_the_same_bytes_whatever_the_compressor_did_before(
        documents in any_documents(), before in any_documents()
    ) {
        let mut compressor = Compressor::new().unwrap();
        for document in before.values() {
            compressor.compress(document, &mut Vec::new()).unwrap();
        }
        let mut shard = ShardWriter::new(1);
        for (id, document) in &documents {
            shard.push(*id, document, &mut compressor).unwrap();
        }
        prop_assert_eq!(shard.finish().unwrap(), blob(&documents));
    }

    #[test]
    fn zeekstd_sees_a_frame_for_each_student_and_an_empty_one_and_decodes_them_all(documents in any_documents()) {
        let blob = blob(&documents);
        let table = SeekTable::from_seekable(&mut BytesWrapper::new(&blob)).unwrap();
        let sizes: Vec<u64> =
            (0..table.num_frames()).map(|frame| table.frame_size_decomp(frame).unwrap()).collect();
        let expected: Vec<u64> = documents.values().map(|document| document.len() as u64).chain([0]).collect();
        prop_assert_eq!(sizes, expected);

        let all: Vec<u8> = documents.values().flatten().copied().collect();
        let decoder = Decoder::new(BytesWrapper::new(&blob)).unwrap();
        prop_assert_eq!(zeekstd_all(decoder, all.len()), all);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))] // Each case starts the zstd program three times.

    #[test]
    fn the_zstd_program_makes_newline_delimited_documents_of_a_shard(documents in any_documents()) {
        let all: Vec<u8> = documents.values().flatten().copied().collect();
        prop_assert_eq!(zstd_program(&blob(&documents)), all);
    }

    #[test]
    fn a_frame_cut_out_is_a_zstd_file_of_its_own(documents in any_documents(), pick in any::<prop::sample::Index>()) {
        let frames: Vec<(StudentId, Frame)> = open(&documents).frames().map(Result::unwrap).collect();
        let (id, frame) = pick.get(&frames);
        prop_assert_eq!(&zstd_program(&frame.bytes), &documents[id]);
    }
}

#[test]
fn zeekstd_decodes_one_students_frame_by_its_place() {
    let documents: Documents = (10..20).map(|number| (id(number), document(id(number)))).collect();
    let blob = blob(&documents);
    for (place, document) in (0..).zip(documents.values()) {
        let options = DecodeOptions::new(BytesWrapper::new(&blob)).lower_frame(place).upper_frame(place);
        assert_eq!(&zeekstd_all(options.into_decoder().unwrap(), document.len()), document);
    }
}

#[test]
fn a_shard_is_written_in_id_order_and_holds_somebody() {
    let mut compressor = Compressor::new().unwrap();
    let mut shard = ShardWriter::new(2);
    shard.push(id(5), b"{}\n", &mut compressor).unwrap();
    for number in [4, 5] {
        let refused = shard.push(id(number), b"{}\n", &mut compressor);
        assert_eq!(refused, Err(ShardError::Order { id: id(number), last: id(5) }));
    }
    // What was refused left nothing behind.
    assert_eq!(shard.finish().unwrap(), blob([(id(5), b"{}\n")]));
    assert_eq!(ShardWriter::new(0).finish(), Err(ShardError::Empty));
}

#[test]
fn a_document_that_no_reader_would_decompress_is_not_written() {
    let mut shard = ShardWriter::new(2);
    let mut compressor = Compressor::new().unwrap();
    let longest = vec![b'x'; 1 << 20];
    shard.push(id(1), &longest, &mut compressor).unwrap();
    let refused = shard.push(id(2), &[longest.as_slice(), b"x"].concat(), &mut compressor);
    assert!(refused.clone().is_err_and(|error| error.to_string().contains("at most 1048576")), "{refused:?}");
    let blob = shard.finish().unwrap();
    let frame = Shard::open(blob.into(), 1..=2).unwrap().find(id(1)).unwrap().unwrap();
    assert_eq!(decompress(&frame.bytes), Ok(longest));
}

#[test]
fn a_shard_of_other_ids_is_refused() {
    let blob = blob([(id(7), b"{}\n"), (id(9), b"{}\n")]);
    assert_eq!(Shard::open(blob.clone(), 8..=9).unwrap_err(), ShardError::Id { id: 7, place: 0 });
    assert_eq!(Shard::open(blob.clone(), 7..=8).unwrap_err(), ShardError::Id { id: 9, place: 1 });
    assert_eq!(Shard::open(blob, 1..=999).map(|shard| shard.students()), Ok(2));
}
