//! Proves that a manifest has one form in bytes, and that one which contradicts itself is called by its fault.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod ids;
    pub(crate) mod manifests;
    pub(crate) mod sealed;
}

use proptest::{collection, prelude::*, sample::Index};
use results_day::release::{Manifest, ManifestError};
use serde_json::{Value, json};

use support::{
    ids::id,
    manifests::{entry, manifest, release},
    sealed::sealed,
};

/// Release 7: 3 students below 1,000, 2 in the next thousand, and the one with the greatest id.
fn good() -> Manifest {
    let shards = vec![
        entry(b"a", 3, id(1), id(999)),
        entry(b"b", 2, id(1_000), id(1_001)),
        entry(b"c", 1, id(999_999_999), id(999_999_999)),
    ];
    manifest(7, shards)
}

fn text() -> String {
    String::from_utf8(good().to_json().unwrap()).unwrap()
}

/// The same without its hash.
fn object() -> String {
    let text = text();
    format!("{}}}", text.rsplit_once(",\"sha256\":").unwrap().0)
}

fn read(json: &[u8]) -> Result<Manifest, ManifestError> {
    Manifest::from_json(release(7), json)
}

#[test]
fn a_manifest_is_exactly_this_line() {
    let shard = |prefix: u32, digest: &str, students: u32, ids: [u32; 2]| {
        format!(
            "{{\"key\":\"shards/{prefix}/{digest}-0000000000000001.json.zst\",\"bytes\":1,\
             \"students\":{students},\"first_id\":{},\"last_id\":{}}}",
            ids[0], ids[1]
        )
    };
    let shards = [
        shard(0, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", 3, [1, 999]),
        shard(1, "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d", 2, [1_000, 1_001]),
        shard(
            999_999,
            "2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6",
            1,
            [999_999_999; 2],
        ),
    ];
    let expected = format!(
        "{{\"format\":1,\"number\":7,\"parent\":6,\"repeats\":null,\"oldest\":1,\
         \"attempt\":\"0000000000000001\",\"created\":\"2026-07-01T06:00:00Z\",\"not_before\":null,\"renderer\":1,\"encoder\":\"zstd-1.5.7-level-3\",\
         \"source\":{{\"data_set\":\"0123456789abcdef0123456789abcdef\",\"system\":\"7481925930412345678\",\
         \"token\":\"fedcba9876543210\",\"snapshot\":\"749:755:749,752\"}},\"width\":1000,\"students\":6,\
         \"first_id\":1,\"last_id\":999999999,\"shards\":[{}]}}",
        shards.join(",")
    );
    assert_eq!(object(), expected);
    assert_eq!(text(), sealed(&expected));
}

#[test]
fn the_example_in_the_documentation_is_a_manifest() {
    let page = include_str!("../docs/FORMAT.md");
    let (_, example) = page.split_once("```json\n{\"format\":1,\"number\":7").unwrap();
    let (example, _) = example.split_once("\n```").unwrap();
    let lines: String =
        format!("{{\"format\":1,\"number\":7{example}").lines().map(str::trim_start).collect();
    let manifest = read(format!("{lines}\n").as_bytes()).unwrap();
    assert_eq!((manifest.shards.len(), manifest.students), (2, 1_000));
}

#[test]
fn a_good_manifest_is_read_as_it_was_written_and_written_as_it_was_read() {
    assert_eq!(read(text().as_bytes()).unwrap(), good());
    assert_eq!(read(text().as_bytes()).unwrap().to_json().unwrap(), text().as_bytes());
    let first = Manifest { number: release(1), parent: None, ..good() };
    assert_eq!(Manifest::from_json(release(1), &first.to_json().unwrap()).unwrap(), first);
}

#[test]
fn who_repeats_another_release_than_the_parent_rolled_back() {
    // A fence on top of a rollback repeats what the rollback does, so it is one still.
    for (parent, repeats, rollback) in
        [(None, None, false), (Some(6), None, false), (Some(6), Some(6), false), (Some(6), Some(2), true)]
    {
        let manifest = Manifest { parent: parent.map(release), repeats: repeats.map(release), ..good() };
        assert_eq!(manifest.is_rollback(), rollback, "{parent:?} {repeats:?}");
    }
}

#[test]
fn a_student_is_looked_for_in_the_one_shard_of_the_prefix() {
    let place = |number: u32| good().shard_of(id(number));
    assert_eq!([1, 999, 1_000, 1_999].map(place), [Some(0), Some(0), Some(1), Some(1)]);
    assert_eq!([2_000, 999_998_999, 999_999_000].map(place), [None, None, Some(2)]);
}

#[test]
fn a_manifest_that_contradicts_itself_is_called_by_its_fault() {
    type Edit = fn(&mut Value);
    const SHARD: &str = "cannot hold";
    let table: &[(&str, Edit)] = &[
        // What this program does not know may be a reason not to show the release.
        ("unknown field `secret`", |m| m["secret"] = json!(true)),
        ("unknown field `codec`", |m| m["shards"][0]["codec"] = json!("gzip")),
        ("unknown field `host`", |m| m["source"]["host"] = json!("db")),
        ("it has format 2, this program knows format 1", |m| m["format"] = json!(2)),
        ("it has format 0, this program knows format 1", |m| m["format"] = json!(0)),
        ("it has format 2, this", |m| *m = json!({"format": 2, "anything": "else"})),
        ("invalid type", |m| m["format"] = json!("1")),
        ("missing field `format`", |m| *m = json!({})),
        ("missing field `attempt`", |m| drop(m.as_object_mut().unwrap().remove("attempt"))),
        ("missing field `token`", |m| drop(m["source"].as_object_mut().unwrap().remove("token"))),
        // Numbers and parents.
        ("it calls itself release 8 and lies where 7 does", |m| m["number"] = json!(8)),
        ("invalid value: integer `0`", |m| m["number"] = json!(0)),
        ("its parent is not an earlier release", |m| m["parent"] = json!(7)),
        ("its parent is not an earlier release", |m| m["parent"] = json!(u64::MAX)),
        ("invalid value: integer `0`", |m| m["parent"] = json!(0)),
        ("missing field `repeats`", |m| drop(m.as_object_mut().unwrap().remove("repeats"))),
        ("it repeats a release that is not an earlier one", |m| m["repeats"] = json!(7)),
        ("it repeats a release that is not an earlier one", |m| {
            m["parent"] = json!(null);
            m["repeats"] = json!(1);
        }),
        ("missing field `oldest`", |m| drop(m.as_object_mut().unwrap().remove("oldest"))),
        ("it keeps no release, not even itself", |m| m["oldest"] = json!(8)),
        // The embargo.
        ("missing field `not_before`", |m| drop(m.as_object_mut().unwrap().remove("not_before"))),
        ("failed to parse", |m| m["not_before"] = json!("tomorrow")),
        // Tombstones.
        ("the release was collected at 2026-07-01T06:00:00Z", |m| {
            *m = json!({"format": 1, "number": 7, "collected": "2026-07-01T06:00:00Z"});
        }),
        ("it calls itself release 8 and lies where 7 does", |m| {
            *m = json!({"format": 1, "number": 8, "collected": "2026-07-01T06:00:00Z"});
        }),
        ("unknown field", |m| m["collected"] = json!("2026-07-01T06:00:00Z")),
        // Which shards there are.
        ("it names no shard", |m| m["shards"] = json!([])),
        ("not in the order of their prefixes", |m| {
            m["shards"].as_array_mut().unwrap().swap(0, 1);
            m["first_id"] = json!(1_000);
        }),
        ("not in the order of their prefixes", |m| m["shards"][1] = m["shards"][0].clone()),
        ("its first and last id are not those", |m| m["first_id"] = json!(2)),
        ("its first and last id are not those", |m| m["last_id"] = json!(1)),
        ("add up", |m| m["students"] = json!(7)),
        ("add up", |m| m["students"] = json!(0)),
        // What a shard can hold.
        (SHARD, |m| m["shards"][0]["students"] = json!(0)),
        (SHARD, |m| m["shards"][0]["students"] = json!(1_000)),
        (SHARD, |m| m["shards"][1]["students"] = json!(u32::MAX)),
        (SHARD, |m| m["shards"][0]["last_id"] = json!(1_000)),
        (SHARD, |m| m["shards"][1]["first_id"] = json!(999)),
        (SHARD, |m| m["shards"][1]["first_id"] = json!(1_002)),
        (SHARD, |m| {
            m["shards"][1]["key"] = json!(m["shards"][1]["key"].as_str().unwrap().replace("/1/", "/2/"))
        }),
        (SHARD, |m| m["width"] = json!(100)),
        // Ids.
        ("a student id does not start with 0", |m| m["shards"][0]["first_id"] = json!(0)),
        ("a student id has at most 9 digits", |m| m["last_id"] = json!(1_000_000_000)),
        ("invalid type: string", |m| m["first_id"] = json!("1")),
        // Widths.
        ("a shard's width is a power of ten", |m| m["width"] = json!(0)),
        ("a shard's width is a power of ten", |m| m["width"] = json!(1)),
        ("a shard's width is a power of ten", |m| m["width"] = json!(500)),
        ("a shard's width is a power of ten", |m| m["width"] = json!(u32::MAX)),
        ("invalid value", |m| m["width"] = json!(10_000_000_000_u64)),
        // Huge and impossible numbers.
        ("invalid type: floating point", |m| m["students"] = json!(6.0)),
        ("invalid value: integer `-1`", |m| m["shards"][0]["bytes"] = json!(-1)),
        ("invalid value", |m| m["shards"][0]["students"] = json!(u64::MAX)),
        // Keys, digests, attempts, times, snapshots.
        ("a shard's key is shards/", |m| m["shards"][0]["key"] = json!("../../etc/passwd")),
        ("a shard's key is shards/", |m| m["shards"][0]["key"] = rekeyed(m, "/0/", "/00/")),
        ("a shard's key is shards/", |m| m["shards"][0]["key"] = rekeyed(m, "/0/", "/4294967296/")),
        ("a shard's key is shards/", |m| m["shards"][0]["key"] = rekeyed(m, ".zst", ".gz")),
        ("a digest has 64", |m| m["shards"][0]["key"] = rekeyed(m, "ca97", "CA97")),
        ("a digest has 64", |m| m["shards"][0]["key"] = rekeyed(m, "ca97", "ca9")),
        ("a digest has 64", |m| m["shards"][0]["key"] = rekeyed(m, "ca97", "càé")),
        ("an attempt has 16", |m| m["shards"][0]["key"] = rekeyed(m, "0001.", "001.")),
        ("an attempt has 16", |m| m["attempt"] = json!("")),
        ("an attempt has 16", |m| m["attempt"] = json!("000000000000000G")),
        ("it is not a manifest", |m| m["created"] = json!("yesterday")),
        ("is not a snapshot", |m| m["source"]["snapshot"] = json!("755:749:")),
        ("is not a snapshot", |m| m["source"]["snapshot"] = json!("+749:755:")),
    ];
    for (place, (fault, edit)) in table.iter().enumerate() {
        let mut value: Value = serde_json::from_str(&object()).unwrap();
        edit(&mut value);
        // Nothing but a manifest has a hash.
        let text = value.to_string();
        let json = if value["shards"].is_array() { sealed(&text) } else { text };
        let error = read(json.as_bytes()).expect_err(fault).to_string();
        assert!(error.contains(fault), "row {place}: {error:?} instead of {fault:?}");
    }
}

fn rekeyed(manifest: &Value, from: &str, to: &str) -> Value {
    let key = manifest["shards"][0]["key"].as_str().unwrap();
    assert!(key.contains(from));
    json!(key.replacen(from, to, 1))
}

#[test]
fn what_is_no_whole_json_is_no_manifest() {
    let text = text();
    for length in 0..text.len() - 1 {
        let error = read(&text.as_bytes()[..length]).unwrap_err();
        assert!(matches!(error, ManifestError::Json(_)), "{length} bytes: {error}");
    }
    let object = object();
    for json in [
        text.repeat(2),
        sealed(&object.replace("\"students\":6", "\"students\":1e400")),
        sealed(&object.replace("\"students\":6", "\"students\":18446744073709551622")),
        sealed(&object.replace("\"format\":1,", "\"format\":1,\"format\":1,")),
        sealed(&object.replace("\"width\":1000,", "\"width\":1000,\"width\":1000,")),
        sealed(&object.replace("zstd-1.5.7", "\u{0}")),
        "[".repeat(100_000),
        "null".to_owned(),
    ] {
        let error = read(json.as_bytes()).unwrap_err();
        assert!(matches!(error, ManifestError::Json(_)), "{error}");
    }
}

#[test]
fn a_manifest_with_a_flipped_digit_is_damaged_though_it_is_good_json() {
    let text = text();
    for (good, flipped) in
        [("749:755", "749:754"), ("\"parent\":6", "\"parent\":4"), ("06:00:00Z", "07:00:00Z")]
    {
        assert!(text.contains(good));
        let error = read(text.replace(good, flipped).as_bytes()).unwrap_err();
        assert!(matches!(error, ManifestError::Checksum), "{error}");
    }
    for json in [object(), text.trim_end().to_owned(), text.replace("sha256", "sha512"), format!("{text} ")] {
        let error = read(json.as_bytes()).unwrap_err();
        assert!(matches!(error, ManifestError::Unsealed), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_mutated_manifest_is_refused_or_agrees_with_itself(
        writes in collection::vec((any::<Index>(), 0..4_usize, "[0-9a-z\",:{}\\[\\]-]{0,3}"), 1..4)
    ) {
        let mut json = object().into_bytes();
        for (offset, removed, written) in writes {
            let start = offset.index(json.len());
            let end = json.len().min(start + removed);
            json.splice(start..end, written.into_bytes());
        }
        prop_assert!(read(&json).is_err());
        let Some(object) = std::str::from_utf8(&json).ok().filter(|json| json.ends_with('}')) else {
            return Ok(());
        };
        if let Ok(manifest) = read(sealed(object).as_bytes()) {
            // Spaces and the like aside, what was read is what would be written.
            let again = manifest.to_json().unwrap();
            prop_assert_eq!(read(&again).unwrap(), manifest);
        }
    }

    #[test]
    fn any_bytes_are_refused(json in collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(read(&json).is_err());
    }
}
