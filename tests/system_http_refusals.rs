//! Proves what everything but a look-up is answered: problems in their one form, methods, OPTIONS and CORS,
//! `/release.json`, and that health is told on the admin listener alone.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use system::{Client, Nation};

#[test]
fn what_is_no_result_is_a_problem_that_says_why() {
    let nation = Nation::published();
    let server = nation.serve().ready();
    let mut client = server.client();
    for (target, status, problem) in [
        ("/student/+7.json", 400, "invalid-student-id"),
        ("/student/-7.json", 400, "invalid-student-id"),
        ("/student/07.json", 400, "invalid-student-id"),
        ("/student/0.json", 400, "invalid-student-id"),
        ("/student/1000000000.json", 400, "invalid-student-id"),
        ("/student/99999999999999999999.json", 400, "invalid-student-id"),
        ("/student/seven.json", 400, "invalid-student-id"),
        ("/student/7a.json", 400, "invalid-student-id"),
        ("/student/0x7.json", 400, "invalid-student-id"),
        ("/student/%37.json", 400, "invalid-student-id"),
        ("/student/7%2ejson", 400, "invalid-student-id"),
        ("/student/7%2Ejson", 400, "invalid-student-id"),
        ("/student/%2e%2e", 400, "invalid-student-id"),
        ("/student/7.json%00", 400, "invalid-student-id"),
        ("/student/%00.json", 400, "invalid-student-id"),
        ("/student/%ff%fe.json", 400, "invalid-student-id"),
        ("/student/%2F7.json", 400, "invalid-student-id"),
        ("/student/7.JSON", 400, "invalid-student-id"),
        ("/student/7.json;x=1", 400, "invalid-student-id"),
        ("/student/.json", 400, "invalid-student-id"),
        ("/student/..", 400, "invalid-student-id"),
        ("/student/", 400, "invalid-student-id"),
        ("/student/+7", 400, "invalid-student-id"),
        ("/student/007", 400, "invalid-student-id"),
        ("/student/3001.json", 404, "unknown-student"),
        ("/student/999999999.json", 404, "unknown-student"),
        ("/student/3001", 404, "unknown-student"),
        ("/student", 404, "unknown-path"),
        ("//student/7.json", 404, "unknown-path"),
        ("/student//7.json", 404, "unknown-path"),
        ("/student/7.json/", 404, "unknown-path"),
        ("/student/7/", 404, "unknown-path"),
        ("/student/../student/7.json", 404, "unknown-path"),
        ("/student/../../etc/passwd", 404, "unknown-path"),
        ("/Student/7.json", 404, "unknown-path"),
        ("/students/7.json", 404, "unknown-path"),
        ("/7.json", 404, "unknown-path"),
        ("/", 404, "unknown-path"),
        ("/release.json/", 404, "unknown-path"),
        ("/healthz", 404, "unknown-path"),
        ("/readyz", 404, "unknown-path"),
        ("/metrics", 404, "unknown-path"),
    ] {
        let answer = client.get(target);
        assert_eq!((answer.status, &*answer.problem()), (status, problem), "{target}");
        let id = target.trim_start_matches("/student/").trim_end_matches(".json");
        let repeats = id.len() > 3 && String::from_utf8_lossy(&answer.body).contains(id);
        assert!(!repeats || status == 404, "the answer to {target} repeats what was asked");
    }
}

#[test]
fn query_strings_and_absolute_targets_change_nothing() {
    let nation = Nation::published();
    let server = nation.serve().ready();
    let document = nation.document(7);
    for target in [
        "/student/7.json?",
        "/student/7.json?x=1&id=8",
        "/student/7.json?../8.json",
        "/student/7?x",
        "http://results.example/student/7.json",
        "https://elsewhere.example:8443/student/7.json?x=1",
    ] {
        let answer = server.get(target);
        assert_eq!((answer.status, answer.body), (200, document.clone()), "{target}");
    }
    assert_eq!(server.get("/release.json?x=1").status, 200);
    assert_eq!(server.get("/student/0.json?id=7").status, 400);
}

#[test]
fn results_can_only_be_read() {
    let nation = Nation::published();
    nation.correct(9);
    let server = nation.serve().ready();
    let mut client = server.client();
    for target in ["/student/7.json", "/student/7", "/student/9.json", "/student/0.json", "/release.json"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"] {
            let answer = client.ask(method, target, &[("content-length", "0")]);
            assert_eq!((answer.status, &*answer.problem()), (405, "method-not-allowed"), "{method} {target}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"), "{method} {target}");
        }
    }
    let with_body = client.ask("POST", "/nowhere", &[("content-length", "0")]);
    assert_eq!((with_body.status, &*with_body.problem()), (404, "unknown-path"));
    assert_eq!(server.student(7).status, 200);
}

#[test]
fn anybodys_page_may_ask_and_may_ask_whether_it_may() {
    let nation = Nation::published();
    let server = nation.serve().ready();
    let preflight = [
        ("origin", "https://school.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "if-none-match"),
    ];
    for target in ["/student/7.json", "/student/7", "/student/3001.json", "/release.json"] {
        for headers in [&[][..], &preflight] {
            let answer = server.client().ask("OPTIONS", target, headers);
            assert!(matches!(answer.status, 200 | 204), "{answer:?}");
            assert!(answer.body.is_empty());
            assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"), "{target}");
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{target}");
            assert_eq!(answer.header("access-control-allow-methods"), Some("GET,HEAD"), "{target}");
            assert_eq!(answer.header("access-control-allow-headers"), Some("if-none-match"), "{target}");
        }
        let answer = server.client().ask("GET", target, &preflight[..1]);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{target}");
        assert!(!answer.header("vary").unwrap_or("").contains("origin"), "{target} varies by origin");
    }
}

#[test]
fn before_the_first_release_every_student_is_told_to_come_back() {
    let nation = Nation::seeded(1, 100);
    for server in [nation.serve(), nation.serve_with(&["--cache-dir", "other"])] {
        for target in ["/student/7.json", "/student/7", "/student/101.json"] {
            let answer = server.get(target);
            assert_eq!((answer.status, &*answer.problem()), (503, "no-release"), "{target}");
            assert_eq!(answer.header("retry-after"), Some("10"), "{target}");
        }
        assert_eq!(server.get("/student/0.json").status, 400);
        let status = server.get("/release.json");
        assert_eq!((status.status, &status.json()["release"]), (200, &serde_json::Value::Null));
        assert_eq!(server.readiness().status, 503);
        assert_eq!(server.readiness().body, b"no release is loaded\n");
    }
    let server = nation.serve();
    nation.publish();
    server.ready().serves(7, &nation.document(7));
}

#[test]
fn the_release_describes_itself() {
    let nation = Nation::published();
    for id in [3, 5, 7] {
        nation.correct(id);
    }
    let server = nation.serve().serving(1);
    let answer = server.get("/release.json");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let status = answer.json();
    let fields = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        fields(&status),
        ["changes", "clock", "not_before", "published", "release", "students", "visible"]
    );
    assert_eq!(fields(&status["changes"]), ["age_seconds", "everybody", "other_data_set", "since_release"]);
    assert_eq!((&status["release"], &status["students"]), (&1.into(), &3_000.into()));
    assert_eq!(status["published"], nation.manifest(1)["created"]);
    assert_eq!((&status["not_before"], &status["visible"]), (&serde_json::Value::Null, &true.into()));
    assert_eq!(status["clock"], "steady");
    assert_eq!(status["changes"]["since_release"], 3);
    assert_eq!(status["changes"]["other_data_set"], false);
    assert_eq!(status["changes"]["everybody"], false);
    let age = status["changes"]["age_seconds"].as_f64().unwrap();
    assert!((0.0..5.0).contains(&age), "{age}");
}

#[test]
fn health_is_told_to_the_admin_alone() {
    let nation = Nation::published();
    let server = nation.serve().ready();
    let mut admin = Client::tcp(&server.admin).unwrap();
    let health = admin.get("/healthz");
    assert_eq!((health.status, &*health.body), (200, &b"alive\n"[..]));
    let readiness = admin.get("/readyz");
    assert_eq!((readiness.status, &*readiness.body), (200, &b"ready\n"[..]));
    for target in ["/student/7.json", "/release.json", "/"] {
        assert_eq!(admin.get(target).status, 404, "{target} on the admin listener");
    }
    assert_eq!(admin.ask("POST", "/readyz", &[("content-length", "0")]).status, 405);
}
