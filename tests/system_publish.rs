//! Proves that a publication does what is needed and nothing more: the same source gives the same bytes, only
//! what changed is uploaded again, and every result that there is, and no other, can be looked up afterwards.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::{fs, process::Command};

use system::{Nation, files};

#[test]
fn a_second_publication_of_the_same_results_does_nothing() {
    let nation = Nation::seeded(1, 3_000);
    let said = nation.publish();
    assert!(said.starts_with("release 1: 3000 students in 4 shards; 4 shards uploaded"), "{said}");
    let before = files(&nation.bucket());
    assert_eq!(before.len(), 5, "four shards and a manifest: {:?}", before.keys());
    for _ in 0..3 {
        let said = nation.publish();
        assert!(said.starts_with("release 1 is up to date"), "{said}");
        assert!(files(&nation.bucket()) == before, "the bucket was touched");
    }
}

#[test]
fn the_same_nation_gives_the_same_shards_wherever_it_is_published() {
    let digests = |nation: &Nation| -> Vec<String> {
        let shards = nation.shards(1);
        shards
            .values()
            .map(|key| key.split('/').nth(2).unwrap().split('-').next().unwrap().to_owned())
            .collect()
    };
    let (one, two) = (Nation::published(), Nation::published());
    assert_eq!(digests(&one), digests(&two));
    assert_ne!(one.shards(1), two.shards(1), "each run names its blobs its own");
    let other = Nation::seeded(2, 3_000);
    other.publish();
    assert!(digests(&one).iter().all(|digest| !digests(&other).contains(digest)));
}

#[test]
fn only_shards_with_a_change_are_uploaded_again() {
    let nation = Nation::published();
    let first = nation.shards(1);
    for id in [1_500, 1_501, 2_999] {
        nation.correct(id);
    }
    let said = nation.publish();
    assert!(said.starts_with("release 2: 3000 students in 4 shards; 2 shards uploaded"), "{said}");
    let second = nation.shards(2);
    let kept: Vec<_> =
        first.iter().filter(|(prefix, key)| second[prefix] == **key).map(|(prefix, _)| *prefix).collect();
    assert_eq!(kept, [0, 3]);
    assert_eq!(nation.manifest(2)["parent"], 1);
    // What an older release names is still there.
    nation.run("publish", &["verify", "1"]).succeeded();
}

#[test]
fn a_correction_that_is_taken_back_reuses_the_blob_of_the_parent_alone() {
    let nation = Nation::published();
    let name: String =
        nation.connect().query_row("SELECT name FROM students WHERE id = 7", [], |row| row.get(0)).unwrap();
    // Changed and changed back between two releases: something was logged, and nothing is different.
    nation.correct(7);
    nation.edit("UPDATE students SET name = ? WHERE id = 7", [&name]);
    assert!(nation.publish().contains("0 shards uploaded"));
    assert_eq!(nation.shards(2), nation.shards(1));
    // Changed in one release and back in the next: the parent does not name the old blob, so nobody does.
    nation.correct(7);
    nation.publish();
    nation.edit("UPDATE students SET name = ? WHERE id = 7", [&name]);
    assert!(nation.publish().contains("1 shards uploaded"));
    assert_ne!(nation.shards(4)[&0], nation.shards(1)[&0]);
}

#[test]
fn withheld_and_deleted_students_are_in_no_release() {
    let nation = Nation::seeded(1, 3_000);
    for table in ["natural_science_results", "social_science_results"] {
        nation.edit(&format!("DELETE FROM {table} WHERE student_id = 7"), []);
    }
    nation.edit("DELETE FROM students WHERE id = 8", []);
    assert!(nation.publish().starts_with("release 1: 2998 students"));
    for server in [
        nation.serve_static().serving(1),
        nation.serve_with(&["--database", "sqlite:results.db", "--cache-dir", "c"]).serving(1),
    ] {
        for id in [7, 8] {
            assert_eq!(server.student(id).problem(), "unknown-student");
        }
        server.serves(9, &nation.document(9));
    }
}

#[test]
fn a_shard_without_students_is_in_no_release_and_comes_back_with_them() {
    let nation = Nation::published();
    nation
        .connect()
        .execute_batch("CREATE TABLE gone AS SELECT * FROM students WHERE id BETWEEN 1000 AND 1999")
        .unwrap();
    nation.edit("DELETE FROM students WHERE id BETWEEN 1000 AND 1999", []);
    assert!(nation.publish().starts_with("release 2: 2000 students in 3 shards; 0 shards uploaded"));
    assert_eq!(nation.shards(2).into_keys().collect::<Vec<_>>(), [0, 2, 3]);
    let server = nation.serve_static().serving(2);
    assert_eq!(server.student(1_500).problem(), "unknown-student");
    nation.edit("INSERT INTO students SELECT * FROM gone", []);
    nation.edit("INSERT INTO natural_science_results SELECT id, 1, 2, 3, 4, 5, 6, 7 FROM gone", []);
    let back = nation.documents(1_000..=1_999);
    assert!(
        nation.publish().contains(&format!("{} students in 4 shards; 1 shards uploaded", 2_000 + back.len()))
    );
    server.switched_to(3);
    for (id, document) in back {
        server.serves(id, &document);
    }
}

#[test]
fn sparse_ids_get_wider_shards_and_each_of_them_is_found() {
    let nation = Nation::seeded(1, 3_000);
    nation.edit("UPDATE students SET id = id * 300000", []);
    nation.publish();
    let manifest = nation.manifest(1);
    assert_eq!((&manifest["width"], &manifest["students"]), (&1_000_000_000.into(), &3_000.into()));
    assert_eq!((&manifest["first_id"], &manifest["last_id"]), (&300_000.into(), &900_000_000.into()));
    let server = nation.serve().serving(1);
    let mut client = server.client();
    for (id, document) in nation.documents((1..=3_000).map(|id| id * 300_000)) {
        let answer = client.get(&format!("/student/{id}.json"));
        assert_eq!((answer.status, answer.body), (200, document));
        assert_eq!(client.get(&format!("/student/{}.json", id - 1)).status, 404);
        assert_eq!(client.get(&format!("/student/{}.json", id / 300_000)).status, 404);
    }
    // An incremental publication keeps the width.
    nation.correct(300_000);
    assert!(nation.publish().starts_with("release 2"));
    assert_eq!(nation.manifest(2)["width"], 1_000_000_000);
}

#[test]
fn names_of_every_script_and_with_every_sign_survive() {
    let nation = Nation::seeded(1, 100);
    let names =
        ["አበበ በቀለ", "Ñandú \"Ö\" \\ / ü", "</script><b>&amp;'", "😀 a\u{2028}b\u{7f}\u{a0}", "", " padded "];
    for (id, name) in (1..).zip(names) {
        nation.edit("UPDATE students SET name = ? WHERE id = ?", (name, id));
    }
    nation.publish();
    let server = nation.serve_static().serving(1);
    for (id, name) in (1..).zip(names) {
        // U+007F needs no escape in JSON, and char::is_control would refuse it: this one is read, not compared.
        let answer = server.student(id);
        assert_eq!(answer.json()["name"], name);
        if !name.contains('\u{7f}') {
            assert_eq!(answer.body, nation.document(id));
        }
    }
}

fn only_the_blob_is_named(nation: &Nation, key: &str) {
    let ran = nation.run("publish", &["verify"]);
    let lines = ran.found("release 1 is not as it should be");
    assert!(!lines.is_empty() && lines.iter().all(|line| line.contains(key)), "{lines:?}");
}

#[test]
fn verification_names_the_blob_that_is_damaged_or_gone() {
    let nation = Nation::published();
    let key = nation.shards(1)[&2].clone();
    let path = nation.bucket().join(&key);
    let whole = fs::read(&path).unwrap();
    let (mut flipped, mut longer) = (whole.clone(), whole.clone());
    flipped[whole.len() / 2] ^= 1;
    longer.push(0);
    for damaged in [flipped, longer, whole[..whole.len() - 1].to_vec(), Vec::new()] {
        fs::write(&path, damaged).unwrap();
        only_the_blob_is_named(&nation, &key);
    }
    fs::remove_file(&path).unwrap();
    only_the_blob_is_named(&nation, &key);
    fs::write(&path, whole).unwrap();
    nation.verify();
}

#[test]
fn the_reader_in_the_documentation_reads_what_was_published() {
    let nation = Nation::published();
    let (_, reader) = include_str!("../docs/FORMAT.md").split_once("```python\n").unwrap();
    let (reader, _) = reader.split_once("```").unwrap();
    let read = |id: &str| {
        let mut python = Command::new("python3");
        python.args(["-c", reader]).arg(nation.bucket()).arg(id).output().unwrap()
    };
    for id in [1, 999, 1_000, 3_000] {
        let output = read(&id.to_string());
        assert_eq!(output.stdout, nation.document(id), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let refusal = |id: &str| String::from_utf8(read(id).stderr).unwrap();
    assert_eq!(refusal("3001"), "the release does not hold this student\n");
    let manifest = fs::read_to_string(nation.manifest_path(1)).unwrap();
    fs::write(nation.manifest_path(1), manifest.replace("\"renderer\":1,", "\"renderer\":3,")).unwrap();
    assert_eq!(refusal("1"), "the manifest has another SHA-256\n");
}
