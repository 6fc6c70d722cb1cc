//! Whatever the bytes, a shard that opens gives frames that match their hash, by place and by id alike.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use results_day::{
    shard::{Frame, Shard, decompress, decompressed_size},
    student::StudentId,
};

fuzz_target!(|blob: &[u8]| {
    let Ok(shard) = Shard::open(Bytes::copy_from_slice(blob), 1..=StudentId::MAX.get()) else { return };
    assert!(shard.students() > 0 && shard.students() <= blob.len());
    let mut last = None;
    for frame in shard.frames() {
        let Ok((id, frame)) = frame else { continue };
        assert!(last < Some(id), "{last:?} before {id}");
        last = Some(id);
        assert_eq!(frame, Frame::new(id, frame.bytes.clone()));
        assert_eq!(shard.find(id), Ok(Some(frame.clone())));
        if let Ok(document) = decompress(&frame.bytes) {
            assert_eq!(decompressed_size(&frame.bytes), Ok(document.len()));
        }
    }
    for id in [StudentId::MIN, StudentId::MAX] {
        let _any = shard.find(id);
    }
});
