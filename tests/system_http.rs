//! Proves what a look-up is answered over HTTP: the exact bytes of the document in every coding, and the
//! headers that go with them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
    thread,
};

use bytes::Bytes;
use results_day::{shard::Shard, student::StudentId};

use system::{Answer, Nation, Server};

const GZIP: (&str, &str) = ("accept-encoding", "gzip");
const ZSTD: (&str, &str) = ("accept-encoding", "zstd");
const PUBLISHED: &str = "public, max-age=60, stale-while-revalidate=30";

/// What this nation's server answers to GET of student 7, with these headers.
fn seven(server: &Server, headers: &[(&str, &str)]) -> Answer {
    server.client().ask("GET", "/student/7.json", headers)
}

/// What the program `gzip` makes of these bytes.
fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let gzip = Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut gzip = gzip.unwrap_or_else(|error| unreachable!("this test needs the program gzip: {error}"));
    let (mut stdin, bytes) = (gzip.stdin.take().unwrap(), bytes.to_owned());
    let writing = thread::spawn(move || stdin.write_all(&bytes));
    let output = gzip.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success(), "gzip refuses the body");
    output.stdout
}

#[test]
fn every_coding_of_every_student_decodes_to_the_exact_document() {
    let nation = Nation::published();
    let server = nation.serve().ready();
    let mut client = server.client();
    for (id, document) in nation.documents(nation.ids().step_by(29)) {
        let target = format!("/student/{id}.json");
        let identity = client.get(&target);
        let gzip = client.ask("GET", &target, &[GZIP]);
        let zstd = client.ask("GET", &target, &[ZSTD]);
        for (answer, coding) in [(&identity, None), (&gzip, Some("gzip")), (&zstd, Some("zstd"))] {
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("content-encoding"), coding);
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
            assert_eq!(answer.header("vary"), Some("accept-encoding"));
            assert_eq!(answer.header("cache-control"), Some(PUBLISHED));
            assert_eq!(answer.header("cache-status"), Some("results-day;hit"));
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        }
        assert_eq!(identity.body, document);
        assert_eq!(zstd::decode_all(&zstd.body[..]).unwrap(), document);
        assert!(gzip.body.len() < document.len() && zstd.body.len() < document.len());
        // The program is slow to start: a sample will do.
        if id % 300 < 29 {
            assert_eq!(gunzip(&gzip.body), document);
        }
    }
}

#[test]
fn the_zstd_body_is_the_stored_frame_and_the_concatenated_bodies_are_the_shard() {
    let nation = Nation::published();
    let server = nation.serve().ready();
    let mut client = server.client();
    let blob = Bytes::from(fs::read(nation.bucket().join(&nation.shards(1)[&1])).unwrap());
    let shard = Shard::open(blob.clone(), 1_000..=1_999).unwrap();
    let mut bodies = Vec::new();
    for id in 1_000..2_000 {
        let body = client.ask("GET", &format!("/student/{id}.json"), &[ZSTD]).body;
        let frame = shard.find(StudentId::new(id).unwrap()).unwrap().unwrap();
        assert_eq!(body, frame.bytes, "student {id}");
        bodies.extend(body);
    }
    assert!(blob.starts_with(&bodies));
}

#[test]
fn the_coding_follows_the_weights_of_the_request() {
    let nation = Nation::published();
    let server = nation.serve().ready();
    for (accepted, coding) in [
        ("gzip, deflate, br, zstd", Some("zstd")),
        ("gzip, deflate, br", Some("gzip")),
        ("br", None),
        ("", None),
        ("*", Some("zstd")),
        ("zstd;q=0.1, gzip;q=0.2", Some("gzip")),
        ("zstd;q=0, *;q=0.5", Some("gzip")),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0, gzip;q=0.001", Some("gzip")),
    ] {
        let answer = seven(&server, &[("accept-encoding", accepted)]);
        assert_eq!((answer.status, answer.header("content-encoding")), (200, coding), "{accepted:?}");
    }
    for accepted in ["identity;q=0", "*;q=0", "br, identity;q=0", "zstd;q=0, gzip;q=0, identity;q=0"] {
        let answer = seven(&server, &[("accept-encoding", accepted)]);
        assert_eq!((answer.status, &*answer.problem()), (406, "not-acceptable"), "{accepted:?}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
    }
    let two_lines = seven(&server, &[("accept-encoding", "br"), ZSTD]);
    assert_eq!(two_lines.header("content-encoding"), Some("zstd"));
}

#[test]
fn a_part_of_a_document_cannot_be_had() {
    let nation = Nation::published();
    let server = nation.serve().ready();
    for range in ["bytes=0-9", "bytes=-1", "bytes=99999-"] {
        let answer = seven(&server, &[("range", range)]);
        assert_eq!((answer.status, &answer.body), (200, &nation.document(7)));
        assert_eq!((answer.header("accept-ranges"), answer.header("content-range")), (None, None));
    }
}

#[test]
fn the_live_route_gives_the_same_bytes_and_tags_as_the_published_one() {
    let nation = Nation::published();
    let server = nation.serve().ready();
    for coding in ["identity", "gzip", "zstd"] {
        let headers = [("accept-encoding", coding)];
        let published = server.client().ask("GET", "/student/7.json", &headers);
        let live = server.client().ask("GET", "/student/7", &headers);
        assert_eq!((live.status, &live.body), (200, &published.body));
        for same in ["etag", "vary", "content-type", "content-encoding", "access-control-allow-origin"] {
            assert_eq!(live.header(same), published.header(same), "{same}");
        }
        let again = [("accept-encoding", coding), ("if-none-match", published.header("etag").unwrap())];
        assert_eq!(server.client().ask("GET", "/student/7", &again).status, 304);
    }
}
