//! Proves how an answer is kept and revalidated: entity tags, 304, HEAD, and for how long by whom.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::collections::BTreeSet;

use system::{Answer, Nation, Server};

const GZIP: (&str, &str) = ("accept-encoding", "gzip");
const ZSTD: (&str, &str) = ("accept-encoding", "zstd");
const PUBLISHED: &str = "public, max-age=60, stale-while-revalidate=30";

/// What this nation's server answers to GET of student 7, with these headers.
fn seven(server: &Server, headers: &[(&str, &str)]) -> Answer {
    server.client().ask("GET", "/student/7.json", headers)
}

fn etag(answer: &Answer) -> String {
    answer.header("etag").unwrap().to_owned()
}

#[test]
fn entity_tags_are_strong_and_differ_by_student_and_by_coding() {
    let nation = Nation::published();
    let server = nation.serve().ready();
    let mut client = server.client();
    let mut tags = BTreeSet::new();
    for id in 1..=200 {
        for coding in ["identity", "gzip", "zstd"] {
            let target = format!("/student/{id}.json");
            let tag = etag(&client.ask("GET", &target, &[("accept-encoding", coding)]));
            assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag} is not strong");
            assert!(tags.insert(tag), "two bodies share a tag");
        }
    }
}

#[test]
fn a_client_that_has_the_bytes_is_told_so_without_a_body() {
    let nation = Nation::published();
    let server = nation.serve().ready();
    let (identity, gzip, zstd) = (seven(&server, &[]), seven(&server, &[GZIP]), seven(&server, &[ZSTD]));
    let (identity, gzip, zstd) = (etag(&identity), etag(&gzip), etag(&zstd));
    let other = etag(&server.student(8));
    for (condition, coding, status) in [
        (identity.clone(), None, 304),
        (format!("W/{identity}"), None, 304),
        (format!("\"x\", {other} , W/{identity}"), None, 304),
        ("*".to_owned(), None, 304),
        (gzip.clone(), Some(GZIP), 304),
        (zstd.clone(), Some(ZSTD), 304),
        // Another coding's bytes, another student's, and what is no tag at all.
        (gzip.clone(), None, 200),
        (gzip, Some(ZSTD), 200),
        (zstd, Some(GZIP), 200),
        (identity.clone(), Some(ZSTD), 200),
        (other, None, 200),
        (identity.trim_matches('"').to_owned(), None, 200),
        (String::new(), None, 200),
    ] {
        let condition = ("if-none-match", condition.as_str());
        let headers: Vec<_> = coding.into_iter().chain([condition]).collect();
        let full = seven(&server, &coding.into_iter().collect::<Vec<_>>());
        for method in ["GET", "HEAD"] {
            let answer = server.client().ask(method, "/student/7.json", &headers);
            assert_eq!(answer.status, status, "{method} with {headers:?}");
            for same in ["etag", "vary", "cache-control", "cache-status", "access-control-allow-origin"] {
                assert_eq!(answer.header(same), full.header(same), "{same} of {status}");
            }
            if status == 304 {
                for absent in ["content-type", "content-encoding", "content-length", "transfer-encoding"] {
                    assert_eq!(answer.header(absent), None, "{absent} of 304");
                }
            }
        }
    }
}

#[test]
fn an_answer_of_304_leaves_the_connection_in_step() {
    let nation = Nation::published();
    let server = nation.serve().ready();
    let mut client = server.client();
    let first = client.get("/student/7.json");
    for _ in 0..3 {
        assert_eq!(client.ask("GET", "/student/7.json", &[("if-none-match", &etag(&first))]).status, 304);
        assert_eq!(client.get("/student/7.json").body, first.body);
        assert_eq!(client.ask("HEAD", "/student/7.json", &[]).status, 200);
    }
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let nation = Nation::published();
    nation.correct(9);
    let server = nation.serve().ready();
    // The first look at a changed student fills the cache, and Cache-Status says so.
    assert_eq!(server.student(9).status, 200);
    let mut client = server.client();
    for target in
        ["/student/7.json", "/student/7", "/student/9.json", "/student/0.json", "/student/3001.json", "/x"]
    {
        for headers in [&[][..], &[GZIP], &[ZSTD]] {
            client.ask("GET", target, headers);
            let get = client.ask("GET", target, headers);
            let head = client.ask("HEAD", target, headers);
            assert_eq!(
                (head.status, head.lasting_headers()),
                (get.status, get.lasting_headers()),
                "{target}"
            );
        }
    }
}

#[test]
fn how_long_an_answer_may_be_kept_depends_on_what_it_is() {
    let nation = Nation::published();
    nation.correct(9);
    let server = nation.serve().serving(1);
    for (target, status, policy, cache_status) in [
        ("/student/7.json", 200, PUBLISHED, Some("results-day;hit")),
        ("/student/9.json", 200, "no-cache", Some("results-day;fwd=stale;detail=database")),
        ("/student/9.json", 200, "no-cache", Some("results-day;fwd=stale;detail=cache")),
        ("/student/7", 200, "no-cache", Some("results-day;fwd=bypass;detail=database")),
        ("/student/7", 200, "no-cache", Some("results-day;fwd=bypass;detail=cache")),
        ("/student/9", 200, "no-cache", Some("results-day;fwd=bypass;detail=cache")),
        ("/release.json", 200, "no-cache", None),
        ("/student/3001.json", 404, "no-store", None),
        ("/student/3001", 404, "no-store", None),
        ("/student/x.json", 400, "no-store", None),
        ("/nowhere", 404, "no-store", None),
    ] {
        let answer = server.get(target);
        assert_eq!(answer.status, status, "{target}");
        assert_eq!(answer.header("cache-control"), Some(policy), "{target}");
        assert_eq!(answer.header("cache-status"), cache_status, "{target}");
    }
}
