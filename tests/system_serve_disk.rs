//! Proves that a server whose disk is full, read-only, emptied or broken goes on answering from what it holds, repairs
//! it from the store, says so once, and never serves wrong bytes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{FileExt, symlink},
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};
use system::{Nation, Server, eventually};

const HIT: &str = "results-day;hit";
const DATABASE: [&str; 2] = ["--database", "sqlite:results.db"];

/// Too little for any shard, and enough for a manifest: 8 KiB, or 16 where the shell counts in longer blocks.
const NO_SHARD: u32 = 16;

/// Enough for what SQLite keeps beside its file, and too little for a journal of 3,000 changes: 36 KiB, or 72.
const NO_LONG_JOURNAL: u32 = 72;

/// A folder in which nobody can create anything, not even root.
const READ_ONLY: &str = "/sys/results-day";

fn all_are_hits(nation: &Nation, server: &Server) {
    for (id, document) in nation.documents((1..=3_000).step_by(71)) {
        assert_eq!(server.serves(id, &document), HIT, "student {id}");
    }
    assert_eq!(server.student(3_001).problem(), "unknown-student");
}

fn said(server: &Server, text: &str, times: usize) {
    assert_eq!(server.logged(text).len(), times, "{text:?} in {}", server.log());
}

/// The blobs in the cache, under their hashes.
fn cached(nation: &Nation) -> Vec<PathBuf> {
    system::files(&nation.path("cache/shards")).into_keys().collect()
}

/// Where the shard of this prefix lies in the cache, and what its bytes are.
fn shard(nation: &Nation, release: u64, prefix: u64) -> (PathBuf, Vec<u8>) {
    let key = &nation.shards(release)[&prefix];
    let digest = key.rsplit('/').next().unwrap().split('-').next().unwrap();
    (nation.path("cache/shards").join(digest), fs::read(nation.bucket().join(key)).unwrap())
}

fn manifest_is_cached(nation: &Nation, release: u64) {
    eventually("the manifest is in the cache", || {
        let json = fs::read(nation.path("cache/manifest.json")).ok()?;
        let manifest: serde_json::Value = serde_json::from_slice(&json).unwrap();
        (manifest["number"] == release).then_some(())
    });
}

#[test]
fn shards_that_find_no_space_are_served_from_memory_which_is_said_once_a_release() {
    const SAID: &str = "shards could not be written to the cache directory";
    let nation = Nation::published();
    let server = Server::start_on_a_full_disk(&nation.path(""), &[], NO_SHARD).serving(1);
    all_are_hits(&nation, &server);
    said(&server, SAID, 1);
    nation.edit("UPDATE students SET name = name || ' +'", []);
    nation.publish();
    server.switched_to(2);
    all_are_hits(&nation, &server);
    said(&server, SAID, 2);
    // Nothing is left that is half written or of the release before, and no manifest promises more than there is. The
    // last shard has one student and did find its space.
    assert_eq!(cached(&nation), [shard(&nation, 2, 3).0]);
    assert!(!nation.path("cache/manifest.json").exists());
    drop(server);
    let server = nation.serve_static().serving(2);
    all_are_hits(&nation, &server);
    assert_eq!(cached(&nation).len(), 4);
}

#[test]
fn a_release_that_does_not_fit_leaves_the_one_before_it_for_a_restart() {
    let nation = Nation::published();
    let old = nation.document(7);
    nation.serve_static().serving(1);
    let mut server = Server::start_on_a_full_disk(&nation.path(""), &[], NO_SHARD).serving(1);
    nation.edit("UPDATE students SET name = name || ' +'", []);
    nation.publish();
    server.switched_to(2);
    all_are_hits(&nation, &server);
    server.kill();
    fs::rename(nation.bucket(), nation.path("bucket.away")).unwrap();
    let server = server.start_again().serving(1);
    assert_eq!(server.serves(7, &old), HIT);
}

#[test]
fn a_shard_that_found_no_space_is_written_when_there_is_some() {
    let nation = Nation::published();
    let (path, whole) = shard(&nation, 1, 0);
    fs::create_dir_all(nation.path("cache/shards")).unwrap();
    // A disk that is full for just one write.
    symlink("/dev/full", path.with_extension("new")).unwrap();
    let server = nation.serve_static().serving(1);
    all_are_hits(&nation, &server);
    server.logs("No space left on device");
    manifest_is_cached(&nation, 1);
    assert_eq!(fs::read(path).unwrap(), whole);
    said(&server, "shards could not be written", 1);
    server.logs("the cache directory holds the whole release");
}

#[test]
fn a_manifest_that_cannot_be_written_stops_no_switch() {
    let nation = Nation::published();
    fs::create_dir_all(nation.path("cache/manifest.new")).unwrap();
    let server = nation.serve_static().serving(1);
    all_are_hits(&nation, &server);
    nation.edit("UPDATE students SET name = name || ' +'", []);
    nation.publish();
    server.switched_to(2);
    all_are_hits(&nation, &server);
    server.logs("the cache directory could not be brought up to date");
    assert!(!nation.path("cache/manifest.json").exists());
}

#[test]
fn what_cannot_be_cleaned_up_stops_no_switch() {
    let nation = Nation::published();
    // No blob, and not to be removed as one.
    fs::create_dir_all(nation.path("cache/shards/folder/in it")).unwrap();
    let server = nation.serve_static().serving(1);
    nation.correct(7);
    nation.publish();
    server.switched_to(2);
    all_are_hits(&nation, &server);
    manifest_is_cached(&nation, 2);
}

#[test]
fn a_cache_directory_that_cannot_be_created_is_done_without() {
    let nation = Nation::published();
    let flags = ["--cache-dir", READ_ONLY, "--database", "sqlite:results.db"];
    let server = nation.serve_with(&flags).serving(1);
    all_are_hits(&nation, &server);
    said(&server, "nothing can be kept on disk", 1);
    nation.correct(7);
    let document = nation.document(7);
    eventually("the correction is seen", || (server.student(7).body == document).then_some(()));
    nation.publish();
    server.switched_to(2);
    all_are_hits(&nation, &server);
    // Not at every poll, nor for every shard.
    said(&server, "changes are known and served, and not written down", 1);
    said(&server, "shards could not be written", 2);
    // A restart needs the database, and says so to whoever asks.
    nation.take_database_away();
    let server = server.restart();
    server.logs("is not believed");
    assert_eq!(server.student(7).problem(), "starting");
}

#[test]
fn no_disk_holds_up_the_hour() {
    let nation = Nation::published();
    let hour = Timestamp::now() + SignedDuration::from_secs(3);
    let mut manifest = nation.manifest(1);
    manifest["not_before"] = hour.to_string().into();
    nation.put_manifest(1, &manifest);
    fs::create_dir_all(nation.path("cache/embargo.new")).unwrap();
    let servers = [nation.serve_static(), nation.serve_with(&["--cache-dir", READ_ONLY])];
    let document = nation.document(7);
    for server in servers.map(|server| server.serving(1)) {
        eventually("the hour comes", || {
            let answer = server.student(7);
            assert!(answer.status == 200 || answer.problem() == "embargoed", "{answer:?}");
            (answer.status == 200).then(|| assert_eq!(answer.body, document))
        });
        assert!(Timestamp::now() >= hour);
        server.logs("whether results are open is not written down");
    }
}

#[test]
fn a_cache_directory_that_is_deleted_under_a_server_is_made_anew() {
    let nation = Nation::published();
    nation.correct(9);
    let server = nation.serve().serving(1);
    for folder in ["cache", "cache/shards"] {
        let bucket = nation.path("bucket.away");
        // Whole again without the store: what is mapped is there still.
        fs::rename(nation.bucket(), &bucket).unwrap();
        // The server may put something there while it is being deleted.
        eventually("it is deleted", || fs::remove_dir_all(nation.path(folder)).ok());
        eventually("the shards are there again", || (cached(&nation).len() == 4).then_some(()));
        manifest_is_cached(&nation, 1);
        for (id, document) in nation.documents((1..=3_000).step_by(71)) {
            let cache_status = server.serves(id, &document);
            assert_eq!(cache_status == HIT, id != 9, "{id}: {cache_status}");
        }
        let _made_anew = fs::remove_dir(nation.bucket());
        fs::rename(&bucket, nation.bucket()).unwrap();
    }
    let journal = nation.path("cache/changes.ndjson");
    eventually("the journal is there again", || journal.exists().then_some(()));
    // It is this server's still.
    let refused = Server::refused(&nation.path(""), &["--listen", "127.0.0.1:0"]);
    refused.failed(1, &["belongs to a server that is running"]);
    // And good for a restart without store or database.
    fs::rename(nation.bucket(), nation.path("bucket.away")).unwrap();
    nation.take_database_away();
    let server = server.restart();
    assert_eq!(server.student(7).header("cache-status"), Some(HIT));
    assert_eq!(server.student(9).problem(), "live-unavailable");
}

/// Overwrites a shard in the server's memory, as broken memory would. It is sealed against everybody but a debugger,
/// which its parent may be.
fn break_in_memory(server: &Server, whole: &[u8]) {
    let process = PathBuf::from(format!("/proc/{}", server.id()));
    let memory = OpenOptions::new().read(true).write(true).open(process.join("mem")).unwrap();
    let maps = fs::read_to_string(process.join("maps")).unwrap();
    let mapped = maps.lines().filter(|line| line.contains("/memfd:shard")).filter_map(|line| {
        let start = u64::from_str_radix(line.split('-').next()?, 16).unwrap();
        let mut bytes = vec![0; whole.len()];
        // Another shard may be shorter.
        memory.read_exact_at(&mut bytes, start).ok()?;
        (bytes == whole).then_some(start)
    });
    let starts: Vec<_> = mapped.collect();
    assert_eq!(starts.len(), 1, "the shard is held once: {maps}");
    let broken: Vec<u8> = whole.iter().map(|byte| byte ^ 0x55).collect();
    memory.write_all_at(&broken, starts[0]).unwrap();
}

/// Overwrites the whole file where it lies, index and all.
fn break_in_place(path: &Path) {
    let bytes: Vec<u8> = fs::read(path).unwrap().iter().map(|byte| byte ^ 0x55).collect();
    OpenOptions::new().write(true).open(path).unwrap().write_all(&bytes).unwrap();
}

#[test]
fn a_file_that_is_overwritten_or_shortened_under_a_server_is_written_again_and_nobody_sees_it() {
    let nation = Nation::published();
    let server = nation.serve_static().serving(1);
    let (path, whole) = shard(&nation, 1, 0);
    // The server needs no store for it.
    fs::rename(nation.bucket(), nation.path("bucket.away")).unwrap();
    let shorten =
        |path: &Path, bytes| OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap();
    let breaks: [&dyn Fn(&Path); 4] =
        [&break_in_place, &|path| shorten(path, 0), &|path| shorten(path, 5_000), &|path| {
            fs::write(path, "").unwrap()
        }];
    for (done, damage) in breaks.iter().enumerate() {
        damage(&path);
        all_are_hits(&nation, &server);
        eventually("the file is whole again", || (fs::read(&path).unwrap() == whole).then_some(()));
        all_are_hits(&nation, &server);
        let said =
            || (server.logged("the cache directory holds the whole release").len() == done + 1).then_some(());
        eventually("it was said once", said);
    }
    fs::write(nation.path("cache/manifest.json"), "{}").unwrap();
    manifest_is_cached(&nation, 1);
    said(&server, "a shard is damaged", 0);
    let server = server.restart().serving(1);
    all_are_hits(&nation, &server);
}

#[test]
fn a_shard_that_was_damaged_on_disk_while_no_server_ran_is_fetched_again_and_counted() {
    let nation = Nation::published();
    let mut server = nation.serve_static().serving(1);
    manifest_is_cached(&nation, 1);
    server.kill();
    let (path, whole) = shard(&nation, 1, 0);
    break_in_place(&path);
    let server = server.start_again().serving(1);
    all_are_hits(&nation, &server);
    said(&server, "a cached shard is unusable; fetching it again", 1);
    eventually("it is counted", || {
        (server.metrics().value("serve_cache_repairs_total{cause=\"damaged\"}") == 1.0).then_some(())
    });
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn a_shard_that_is_damaged_in_memory_is_fetched_again_and_nobody_sees_it() {
    let nation = Nation::published();
    let server = nation.serve_static().serving(1);
    let (path, whole) = shard(&nation, 1, 0);
    let mut client = server.client();
    for round in 1..=3 {
        break_in_memory(&server, &whole);
        eventually("the shard is repaired", || {
            let answer = client.get("/student/7.json");
            if answer.status == 503 {
                assert_eq!((&*answer.problem(), answer.header("retry-after")), ("damaged", Some("5")));
                return None;
            }
            assert_eq!((answer.status, answer.header("cache-status")), (200, Some(HIT)));
            assert_eq!(answer.body, nation.document(7));
            Some(())
        });
        assert_eq!(fs::read(&path).unwrap(), whole);
        all_are_hits(&nation, &server);
        said(&server, "a shard is damaged", round);
        said(&server, "the damaged shards were fetched again", round);
    }
    assert_eq!(cached(&nation).len(), 4);
}

#[test]
fn a_shard_that_is_damaged_in_memory_is_read_from_disk_where_the_store_is_away() {
    let nation = Nation::published();
    let server = nation.serve_static().serving(1);
    let (_, whole) = shard(&nation, 1, 0);
    fs::rename(nation.bucket(), nation.path("bucket.away")).unwrap();
    break_in_memory(&server, &whole);
    eventually("it is answered again", || (server.student(7).status == 200).then_some(()));
    all_are_hits(&nation, &server);
}

#[test]
fn without_the_store_a_damaged_shard_is_answered_live_or_not_at_all_until_it_is_back() {
    let nation = Nation::published();
    let server = nation.serve_static().serving(1);
    let live = nation.serve_with(&["--cache-dir", "live", DATABASE[0], DATABASE[1]]).serving(1);
    let bucket = nation.path("bucket.away");
    let (path, whole) = shard(&nation, 1, 0);
    fs::rename(nation.bucket(), &bucket).unwrap();
    for (server, cache) in [(&server, "cache"), (&live, "live")] {
        break_in_memory(server, &whole);
        // Both at once: whoever damages the file alone is put right from memory, and the other way round.
        break_in_place(&nation.path(cache).join("shards").join(path.file_name().unwrap()));
    }
    let before = std::time::Instant::now();
    eventually("a repair has failed more than once", || {
        for id in [7, 500, 999] {
            assert_eq!(server.student(id).problem(), "damaged");
            let cache_status = live.serves(id, &nation.document(id));
            assert!(cache_status.starts_with("results-day;fwd=miss;detail="), "{cache_status}");
        }
        assert_eq!(server.serves(2_500, &nation.document(2_500)), HIT);
        (before.elapsed() > std::time::Duration::from_secs(5)).then_some(())
    });
    for server in [&server, &live] {
        said(server, "a shard is damaged", 1);
        said(server, "the copy of the release could not be made whole", 1);
    }
    let _made_anew = fs::remove_dir_all(nation.bucket());
    fs::rename(&bucket, nation.bucket()).unwrap();
    for server in [&server, &live] {
        eventually("the shard is repaired", || {
            (server.student(7).header("cache-status") == Some(HIT)).then_some(())
        });
        all_are_hits(&nation, server);
    }
}

fn knows_changes(server: &Server, count: u64) {
    eventually("the changes are known", || {
        (server.get("/release.json").json()["changes"]["since_release"] == count).then_some(())
    });
}

/// A server that starts now finds no knowledge of changes, and so answers nobody.
fn knows_nothing(server: &Server) {
    server.logs("serving a release");
    for id in [7, 9, 2_999] {
        let answer = server.student(id);
        assert_eq!((answer.status, &*answer.problem()), (503, "starting"), "student {id}: {answer:?}");
    }
}

#[test]
fn after_a_failed_write_to_the_journal_a_restart_without_the_database_serves_no_superseded_marks() {
    let nation = Nation::published();
    nation.correct(9);
    nation.serve().serving(1);
    let mut server = Server::start_on_a_full_disk(&nation.path(""), &DATABASE, NO_LONG_JOURNAL).serving(1);
    knows_changes(&server, 1);
    let journal = nation.path("cache/changes.ndjson");
    assert!(journal.exists());
    nation.edit("UPDATE students SET name = name || ' +'", []);
    knows_changes(&server, 3_000);
    eventually("the journal is removed", || (!journal.exists()).then_some(()));
    server.logs("changes are known and served, and not written down");
    server.kill();
    nation.take_database_away();
    let server = server.start_again();
    knows_nothing(&server);
    nation.bring_database_back();
    let server = server.ready();
    server.serves(7, &nation.document(7));
    said(&server, "changes are known and served, and not written down", 1);
}

#[test]
fn a_journal_that_somebody_puts_an_older_one_over_is_written_again() {
    let nation = Nation::published();
    let mut server = nation.serve().serving(1);
    let (journal, older) = (nation.path("cache/changes.ndjson"), nation.path("older"));
    nation.correct(7);
    knows_changes(&server, 1);
    fs::copy(&journal, &older).unwrap();
    nation.correct(9);
    knows_changes(&server, 2);
    let breaks: [&dyn Fn(); 4] = [
        &|| fs::rename(&older, &journal).unwrap(),
        &|| fs::write(&journal, fs::read(&older).unwrap()).unwrap(),
        &|| {
            symlink(&older, nation.path("link"))
                .and_then(|()| fs::rename(nation.path("link"), &journal))
                .unwrap()
        },
        &|| OpenOptions::new().write(true).open(&journal).unwrap().set_len(60).unwrap(),
    ];
    let kept = fs::read(&older).unwrap();
    for damage in breaks {
        fs::write(&older, &kept).unwrap();
        damage();
        eventually("the journal is whole again", || {
            let whole = fs::symlink_metadata(&journal).unwrap().is_file();
            (whole && fs::read_to_string(&journal).unwrap().contains("[9,")).then_some(())
        });
    }
    nation.take_database_away();
    server.kill();
    let server = server.start_again();
    assert_eq!(server.student(8).header("cache-status"), Some(HIT));
    for id in [7, 9] {
        assert_eq!(server.student(id).problem(), "live-unavailable", "student {id}");
    }
}

#[test]
fn a_journal_that_somebody_wrote_into_is_not_gone_on_with() {
    let nation = Nation::published();
    let mut server = nation.serve().serving(1);
    let journal = nation.path("cache/changes.ndjson");
    nation.correct(9);
    knows_changes(&server, 1);
    // As long as it was, and followed by a correction before anybody looks.
    let damaged = fs::read_to_string(&journal).unwrap().replace("[9,", "[8,");
    OpenOptions::new().write(true).open(&journal).unwrap().write_all(damaged.as_bytes()).unwrap();
    nation.correct(11);
    knows_changes(&server, 2);
    nation.take_database_away();
    server.kill();
    let server = server.start_again();
    assert_eq!(server.student(8).header("cache-status"), Some(HIT));
    for id in [9, 11] {
        assert_eq!(server.student(id).problem(), "live-unavailable", "student {id}");
    }
}

#[test]
fn a_journal_that_cannot_be_replaced_at_the_start_is_removed() {
    let nation = Nation::published();
    nation.correct(9);
    let mut server = nation.serve().serving(1);
    server.kill();
    nation.correct(7);
    fs::create_dir(nation.path("cache/changes.new")).unwrap();
    let mut server = server.start_again().serving(1);
    knows_changes(&server, 2);
    assert!(!nation.path("cache/changes.ndjson").exists());
    server.kill();
    nation.take_database_away();
    knows_nothing(&server.start_again());
}

#[test]
fn a_journal_that_can_be_neither_written_nor_removed_is_told_of_once() {
    let nation = Nation::published();
    fs::create_dir_all(nation.path("cache/changes.ndjson/in it")).unwrap();
    let server = nation.serve().serving(1);
    let started = std::time::Instant::now();
    eventually("many polls have passed", || {
        (started.elapsed() > std::time::Duration::from_millis(2_500)).then_some(())
    });
    nation.correct(7);
    let document = nation.document(7);
    eventually("the correction is seen", || (server.student(7).body == document).then_some(()));
    said(&server, "an outdated journal of changes could not be removed", 1);
    said(&server, "changes are known and served, and not written down", 1);
    fs::remove_dir_all(nation.path("cache/changes.ndjson")).unwrap();
    server.logs("changes are written down again");
    let mut server = server;
    server.kill();
    nation.take_database_away();
    let server = server.start_again().ready();
    assert_eq!(server.student(7).problem(), "live-unavailable");
}
