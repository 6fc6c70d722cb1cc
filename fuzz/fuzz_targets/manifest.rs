//! Whatever the bytes, a manifest that is read is written and read again as the same one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use results_day::{
    release::{Digest, Manifest, ReleaseNumber},
    student::StudentId,
};

fuzz_target!(|json: &[u8]| {
    let number = ReleaseNumber::FIRST;
    let _refused = Manifest::from_json(number, json);
    let Some(object) = json.trim_ascii_end().strip_suffix(b"}") else { return };
    let sealed = format!(",\"sha256\":\"{}\"}}\n", Digest::of(object));
    let sealed = [object, sealed.as_bytes()].concat();
    let Ok(manifest) = Manifest::from_json(number, &sealed) else { return };
    let again = manifest.to_json().unwrap();
    assert_eq!(Manifest::from_json(number, &again).unwrap(), manifest);
    for id in [StudentId::MIN, StudentId::MAX, manifest.first_id, manifest.last_id] {
        if let Some(place) = manifest.shard_of(id) {
            assert_eq!(manifest.shards[place].key.prefix, manifest.width.prefix(id));
        }
    }
    assert_eq!(manifest.shard_of(manifest.first_id), Some(0));
});
