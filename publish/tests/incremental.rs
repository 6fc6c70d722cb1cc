//! Proves that a publication on top of others is what a full one of the same results is, byte for byte, whatever was
//! corrected, inserted, withheld or moved, and whatever has become of the parent's blobs.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod exam;
    pub(crate) mod inspection;
}

use std::sync::Arc;

use object_store::{ObjectStoreExt, memory::InMemory};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use results_day::release::{ReleaseNumber, ReleaseStore};
use rusqlite::params;

use support::{
    exam::{Exam, content},
    inspection::kept_and_whole,
};

/// What somebody does to the results.
#[derive(Debug, Clone)]
enum Edit {
    Rename(u32, String),
    Mark(u32, u8),
    Withhold(u32),
    /// The row of results goes, the student stays.
    WithholdResults(u32),
    Insert(u32, String),
    Move(u32, u32),
    /// It is changed and changed back: the log has it, and the document is the same.
    Touch(u32),
    /// So many students in a row: more than are worth a patch.
    Many(u32, u32),
    /// A whole shard goes.
    Empty(u32),
}

/// What is logged where something went round the log.
const EVERYTHING: &str = "UPDATE data_set SET revision = revision + 1; \
     INSERT OR REPLACE INTO changes SELECT 0, revision, random() FROM data_set";

/// What happens between two publications.
#[derive(Debug, Clone)]
struct Round {
    edits: Vec<Edit>,
    /// How many releases a rollback goes back, after this round's publication.
    back: Option<u64>,
    everything: bool,
}

/// All of them are in shards 0 to 3, or 7: few enough to leave the width as it is.
fn ids() -> impl Strategy<Value = u32> {
    prop_oneof![9 => 1_u32..=3_999, 1 => 7_000_u32..=7_004, 1 => select(vec![1, 999, 1_000, 1_999, 2_000, 2_999])]
}

fn names() -> impl Strategy<Value = String> {
    let odd = [
        "",
        " ",
        "\"",
        "\\",
        "\n\r\t\u{8}\u{c}",
        "\u{0}\u{1f}",
        "\u{7f}\u{2028}",
        "አበበ ቢቂላ",
        "🎓",
        "e\u{301}",
        "</script>",
    ];
    prop_oneof![select(odd.to_vec()).prop_map(str::to_owned), "\\PC{0,40}", "[\\x01-\\x7f]{0,9}"]
}

fn edits() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (ids(), names()).prop_map(|(id, name)| Edit::Rename(id, name)),
        4 => (ids(), 0_u8..=100).prop_map(|(id, mark)| Edit::Mark(id, mark)),
        2 => ids().prop_map(Edit::Withhold),
        2 => ids().prop_map(Edit::WithholdResults),
        3 => (ids(), names()).prop_map(|(id, name)| Edit::Insert(id, name)),
        2 => (ids(), ids()).prop_map(|(from, to)| Edit::Move(from, to)),
        2 => ids().prop_map(Edit::Touch),
        1 => (ids(), 100_u32..700).prop_map(|(first, students)| Edit::Many(first, students)),
        1 => select(vec![3_u32, 7]).prop_map(Edit::Empty),
    ]
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let round =
        (vec(edits(), 0..20), proptest::option::weighted(0.3, 1_u64..4), proptest::bool::weighted(0.1));
    vec(round.prop_map(|(edits, back, everything)| Round { edits, back, everything }), 1..6)
}

fn edit(exam: &Exam, edits: &[Edit]) {
    let mut connection = exam.connect();
    for edit in edits {
        let transaction = connection.transaction().unwrap();
        let run =
            |sql: &str, parameters: &[&dyn rusqlite::ToSql]| transaction.execute(sql, parameters).unwrap();
        match edit {
            Edit::Rename(id, name) => run("UPDATE students SET name = ? WHERE id = ?", params![name, id]),
            Edit::Mark(id, mark) => {
                run("UPDATE natural_science_results SET physics = ? WHERE student_id = ?", params![mark, id])
                    + run(
                        "UPDATE social_science_results SET history = ? WHERE student_id = ?",
                        params![mark, id],
                    )
            }
            Edit::Withhold(id) => run("DELETE FROM students WHERE id = ?", params![id]),
            Edit::WithholdResults(id) => {
                run("DELETE FROM natural_science_results WHERE student_id = ?", params![id])
                    + run("DELETE FROM social_science_results WHERE student_id = ?", params![id])
            }
            Edit::Insert(id, name) => {
                let inserted = "INSERT INTO students VALUES (?, ?, 'F', 'Bole', 'Addis Ababa', 'social_science') ON CONFLICT DO NOTHING";
                let results = "INSERT INTO social_science_results SELECT id, 1, 2, 3, 4, 5, 6, 7 FROM students WHERE id = ? AND stream = 'social_science' ON CONFLICT DO NOTHING";
                run(inserted, params![id, name]) + run(results, params![id])
            }
            Edit::Move(from, to) => run(
                "UPDATE students SET id = ?2 WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM students WHERE id = ?2)",
                params![from, to],
            ),
            Edit::Touch(id) => {
                run("UPDATE students SET sex = iif(sex = 'F', 'M', 'F') WHERE id = ?", params![id])
                    + run("UPDATE students SET sex = iif(sex = 'F', 'M', 'F') WHERE id = ?", params![id])
            }
            Edit::Many(first, students) => run(
                "UPDATE students SET school = school || '*' WHERE id BETWEEN ?1 AND ?1 + ?2",
                params![first, students],
            ),
            Edit::Empty(prefix) => run("DELETE FROM students WHERE id / 1000 = ?", params![prefix]),
        };
        transaction.commit().unwrap();
    }
}

async fn every_publication_is_a_full_one(rounds: Vec<Round>) {
    let exam = Exam::of(3_200).await;
    let store = ReleaseStore::new(Arc::new(InMemory::new()), "memory".to_owned());
    exam.publish(&store).await.unwrap();
    for round in rounds {
        edit(&exam, &round.edits);
        if round.everything {
            exam.edit(EVERYTHING);
        }
        exam.publish(&store).await.unwrap();
        let current = store.current().await.unwrap().unwrap();
        let whole = exam.whole().await;
        assert_eq!(current.width, whole.width, "the ids were chosen to leave it");
        assert_eq!(content(&current), content(&whole));
        let counts = |manifest: &results_day::release::Manifest| {
            let shards = manifest.shards.iter();
            shards
                .map(|shard| (shard.bytes, shard.students, shard.first_id, shard.last_id))
                .collect::<Vec<_>>()
        };
        assert_eq!(counts(&current), counts(&whole));
        if let Some(back) = round.back {
            let number = current.number.get().saturating_sub(back).max(1);
            store.roll_back(number.to_string().parse().unwrap()).await.unwrap();
        }
    }
    kept_and_whole(&store, "in the end").await;
}

#[test]
fn a_publication_on_top_of_others_is_byte_for_byte_a_full_one() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() });
    let ran = runner.run(&rounds(), |rounds| {
        runtime.block_on(every_publication_is_a_full_one(rounds));
        Ok(())
    });
    ran.unwrap();
}

#[tokio::test]
async fn a_parents_blob_that_is_gone_or_damaged_does_not_stop_who_touches_its_shard() {
    // Few students are patched into the parent's blob, many are rendered anew; and what is changed and changed back
    // gives the blob that the parent names.
    let few = "UPDATE students SET name = name || '+' WHERE id IN (5, 1005)";
    let many = "UPDATE students SET name = name || '+' WHERE id % 2 = 0";
    let back = "UPDATE students SET sex = iif(sex = 'F', 'M', 'F'); UPDATE students SET sex = iif(sex = 'F', 'M', 'F')";
    let few_back = "UPDATE students SET sex = sex WHERE id IN (5, 1005)";
    for change in [few, many, few_back, back, EVERYTHING] {
        for damage in ["gone", "shorter", "flipped", "empty"] {
            let what = format!("{damage}; {change}");
            let exam = Exam::of(1_100).await;
            let objects = Arc::new(InMemory::new());
            let store = ReleaseStore::new(objects.clone(), "memory".to_owned());
            exam.publish(&store).await.unwrap();
            let first = store.current().await.unwrap().unwrap();
            for shard in &first.shards {
                let path = shard.key.path();
                let mut blob = objects.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
                match damage {
                    "shorter" => blob.truncate(blob.len() - 1),
                    "flipped" => blob[100] ^= 1,
                    _ => blob.clear(),
                }
                match damage {
                    "gone" => objects.delete(&path).await.unwrap(),
                    _ => drop(objects.put(&path, blob.into()).await.unwrap()),
                }
            }
            exam.edit(change);
            let outcome = exam.publish(&store).await.unwrap_or_else(|error| panic!("{what}: {error:#}"));
            let second = store.current().await.unwrap().unwrap();
            assert_ne!(second.number, ReleaseNumber::FIRST, "{what}: {outcome}");
            assert_eq!(content(&second), content(&exam.whole().await), "{what}");
            store.verify(second.number).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        }
    }
}
