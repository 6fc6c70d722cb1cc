//! NGINX: what it passes on, what it adds, and what it must not touch.

use crate::{stack::Stack, system::Client};

#[test]
fn documents_come_through_nginx_as_the_replicas_made_them() {
    let stack = crate::stack::stack();
    let [replica, ..] = stack.replicas();
    for coding in ["zstd", "gzip", "identity", "gzip, deflate, br, zstd"] {
        let ask = |address: &str| {
            let mut client = Client::tcp(address).unwrap();
            client.ask("GET", "/student/12345.json", &[("Accept-Encoding", coding)])
        };
        let (through, direct) = (ask(&stack.front()), ask(&replica));
        assert_eq!(through.status, 200);
        assert_eq!(through.body, direct.body, "{coding}");
        for header in ["etag", "content-encoding", "content-type", "content-length", "vary", "cache-control"]
        {
            assert_eq!(through.header(header), direct.header(header), "{header} of {coding}");
        }
        let tag = direct.header("etag").unwrap();
        assert!(tag.starts_with('"'), "{tag} is not strong");
        let mut client = Client::tcp(&stack.front()).unwrap();
        let conditional = [("Accept-Encoding", coding), ("If-None-Match", tag)];
        let again = client.ask("GET", "/student/12345.json", &conditional);
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(tag)));
    }
}

#[test]
fn a_refusal_is_an_answer_and_keeps_its_form() {
    let stack = crate::stack::stack();
    for (target, status, name) in [
        ("/student/999999999.json", 404, "unknown-student"),
        ("/student/0.json", 400, "invalid-student-id"),
        ("/nowhere", 404, "unknown-path"),
        ("/student", 404, "unknown-path"),
    ] {
        let answer = Stack::ask(&stack.front(), target);
        assert_eq!((answer.status, answer.problem().as_str()), (status, name), "{target}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[test]
fn what_nginx_refuses_by_itself_is_a_problem_that_nobody_caches() {
    let stack = crate::stack::stack();
    let long = "x".repeat(40_000);
    let mut client = Client::tcp(&stack.front()).unwrap();
    let answer = client.ask("GET", "/student/5.json", &[("X-Long", &long)]);
    assert_eq!((answer.status, answer.header("cache-control")), (400, Some("no-store")), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.json()["status"], 400);
}

#[test]
fn the_live_api_is_answered_from_redis_where_the_seeder_put_everybody() {
    let stack = crate::stack::stack();
    let answer = Stack::ask(&stack.front(), "/student/12346");
    assert_eq!(answer.header("cache-status"), Some("results-day;fwd=bypass;detail=cache"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert_eq!(answer.body, Stack::ask(&stack.front(), "/student/12346.json").body);
}
