//! Proves what the programs log and in which form; that a request that was failed is found by its name, in an outage as
//! well; and that no line names a student.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    time::Instant,
};

use serde_json::Value;
use system::{Answer, Nation, Ran, Server, eventually, program};

/// As NGINX makes them, and as others do.
const NAME: &str = "8d1c5a0e9b7f4c3d2e1f0a9b8c7d6e5f";
const UUID: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What a person sees of a command of one of the programs that fails.
fn in_a_terminal(nation: &Nation, command: &str) -> String {
    let (name, flags) = command.split_once(' ').unwrap();
    let program = program(name, &nation.path("."));
    let command = format!("{} {flags}", program.get_program().display());
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
    let ran = Ran::of(terminal.current_dir(nation.path(".")).stdin(Stdio::null()));
    assert_eq!(ran.status, Some(1), "{}{}", ran.stdout, ran.stderr);
    ran.stdout
}

/// A server that has lost its database, and student 9 corrected before.
fn that_fails_student_9(variables: &[(&str, &str)]) -> (Nation, Server) {
    let nation = Nation::published();
    let flags = ["--database", "sqlite:results.db"];
    let server = Server::start_in(&nation.path("."), &flags, &environment(variables)).serving(1);
    nation.correct(9);
    eventually("the correction is known", || {
        (server.get("/release.json").json()["changes"]["since_release"] == 1).then_some(())
    });
    nation.take_database_away();
    eventually("the database is missed", || (server.student(9).status == 503).then_some(()));
    (nation, server)
}

/// The lines of a JSON log, each with what every line has.
#[track_caller]
fn lines(log: &str) -> Vec<Value> {
    let line = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let time = value["timestamp"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T' && time.len() > 20, "{time}");
        for field in ["level", "target", "message"] {
            assert!(value[field].is_string(), "no {field} in {line}");
        }
        assert!(value.get("fields").is_none() && value.get("span").is_none(), "{line} is not flat");
        value
    };
    log.lines().map(line).collect()
}

/// The lines that tell of failed requests.
fn failures(server: &Server) -> Vec<Value> {
    lines(&server.log()).into_iter().filter(|line| line["message"] == "a request failed").collect()
}

#[track_caller]
fn request_id(answer: &Answer) -> String {
    let body = answer.json();
    let id = body["request_id"].as_str().unwrap_or_else(|| panic!("no name in {body}"));
    assert_eq!(answer.header("x-request-id"), Some(id));
    assert_eq!(answer.header("cache-control"), Some("no-store"), "an answer to one request is kept");
    id.to_owned()
}

#[test]
fn a_server_logs_text_for_people_and_one_flat_object_a_line_for_machines() {
    let nation = Nation::published();
    let text = nation.serve_static().serving(1);
    assert!(
        text.log().contains(" INFO serve::follow::releases: serving a release release=1"),
        "{}",
        text.log()
    );
    let json = [("LOG_FORMAT", "json")];
    let server =
        Server::start_in(&nation.path("."), &["--cache-dir", "other"], &environment(&json)).serving(1);
    let said = lines(&server.log());
    let serving = said.iter().find(|line| line["message"] == "serving a release").unwrap();
    let fields = [&serving["level"], &serving["target"], &serving["release"], &serving["students"]];
    assert_eq!(fields, [&Value::from("INFO"), &"serve::follow::releases".into(), &1.into(), &3_000.into()]);
}

#[test]
fn a_form_that_is_none_is_refused_by_every_program() {
    let nation = Nation::seeded(1, 10);
    for name in ["serve", "publish", "db-seeder"] {
        let mut command = system::program(name, &nation.path("."));
        let ran = system::Ran::of(command.env("LOG_FORMAT", "xml"));
        ran.failed(2, &["--log-format", "a log is text or json"]);
    }
}

#[test]
fn a_failed_request_is_found_in_the_log_by_what_the_answer_calls_it() {
    let (_nation, server) = that_fails_student_9(&[("LOG_FORMAT", "json")]);
    let mut client = server.client();
    for (target, name) in [("/student/9.json", NAME), ("/student/9", UUID)] {
        let line = eventually("the failure is logged", || {
            let answer = client.ask("GET", target, &[("x-request-id", name)]);
            assert_eq!((answer.status, &*answer.problem()), (503, "live-unavailable"));
            assert_eq!(request_id(&answer), name);
            failures(&server).into_iter().find(|line| line["request_id"] == name)
        });
        assert_eq!(
            (&line["problem"], &line["status"], &line["level"]),
            (&"live-unavailable".into(), &503.into(), &"WARN".into())
        );
        assert!(line["cause"].as_str().is_some_and(|cause| cause.contains("results.db")), "{line}");
    }
    // HEAD is answered the same head.
    let asked = [("x-request-id", NAME)];
    let (get, head) = (client.ask("GET", "/student/9", &asked), client.ask("HEAD", "/student/9", &asked));
    assert_eq!(get.lasting_headers(), head.lasting_headers());
    assert_eq!(head.header("content-length"), Some(get.body.len().to_string().as_str()));
}

#[test]
fn a_request_without_a_name_or_with_a_wrong_one_gets_one_of_its_own() {
    let (_nation, server) = that_fails_student_9(&[("LOG_FORMAT", "json")]);
    let mut client = server.client();
    let long = "a".repeat(4_000);
    let mut given = Vec::new();
    for sent in [
        None,
        Some("9"),
        Some(""),
        Some("\u{1b}[31m"),
        Some("student 9"),
        Some(&*long),
        Some("g1c5a0e9b7f4c3d2e1f0a9b8c7d6e5f8"),
    ] {
        let headers: Vec<_> = sent.iter().map(|sent| ("x-request-id", *sent)).collect();
        let answer = client.ask("GET", "/student/9", &headers);
        // An escape is no header at all.
        if answer.status == 400 {
            client = server.client();
            continue;
        }
        let id = request_id(&answer);
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert!(!given.contains(&id), "a name comes twice");
        eventually("the failure is logged", || {
            let counted = failures(&server).into_iter().find(|line| line["request_id"] == id.as_str());
            counted
                .map(drop)
                .or_else(|| failures(&server).iter().any(|line| line["unsaid"].is_u64()).then_some(()))
        });
        given.push(id);
    }
    assert!(given.len() >= 6);
}

#[test]
fn what_is_no_failure_of_the_server_has_no_name() {
    let nation = Nation::published();
    nation.correct(9);
    let server = nation.serve().ready();
    let mut client = server.client();
    for (target, status) in [
        ("/student/7.json", 200),
        ("/student/9.json", 200),
        ("/student/7", 200),
        ("/student/0.json", 400),
        ("/student/3001.json", 404),
        ("/nowhere", 404),
        ("/release.json", 200),
    ] {
        let answer = client.ask("GET", target, &[("x-request-id", NAME)]);
        assert_eq!((answer.status, answer.header("x-request-id")), (status, None), "{target}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("request_id"), "{target}");
    }
}

#[test]
fn in_an_outage_a_few_failures_of_each_second_are_told_and_the_others_counted() {
    let (nation, server) = that_fails_student_9(&[("LOG_FORMAT", "json")]);
    let before = failures(&server).len();
    let begun = Instant::now();
    let mut client = server.client();
    for _ in 0..3_000 {
        assert_eq!(client.get("/student/9.json").status, 503);
    }
    let told = eventually("the others are counted", || {
        assert_eq!(client.get("/student/9.json").status, 503);
        let told = failures(&server).split_off(before);
        let unsaid: u64 = told.iter().filter_map(|line| line["unsaid"].as_u64()).sum();
        (told.len() as u64 + unsaid >= 3_000).then_some(told)
    });
    let seconds = begun.elapsed().as_secs() + 1;
    assert!(told.len() as u64 <= 10 * (seconds + 1), "{} lines in {seconds} s", told.len());
    nation.bring_database_back();

    // Whoever wants to see them all can.
    let (_nation, server) = that_fails_student_9(&[("LOG_FORMAT", "json"), ("RUST_LOG", "serve=debug")]);
    let before = failures(&server).len();
    let mut client = server.client();
    (0..100).for_each(|_| assert_eq!(client.get("/student/9.json").status, 503));
    eventually("all are told", || (failures(&server).len() >= before + 100).then_some(()));
}

#[test]
fn what_ends_a_program_is_its_last_line_in_the_same_form() {
    let nation = Nation::seeded(1, 10);
    for (name, flags) in [
        (
            "serve",
            &["--listen", "192.0.2.1:1", "--admin", "127.0.0.1:0", "--database", "sqlite:results.db"][..],
        ),
        ("publish", &["verify", "7", "--bucket", "./bucket"]),
        ("db-seeder", &["--database", "sqlite:/proc/nowhere/results.db"]),
    ] {
        let ran = |format: &str| {
            let mut command = system::program(name, &nation.path("."));
            system::Ran::of(command.args(flags).args(["--log-format", format]))
        };
        let text = ran("text");
        text.failed(1, &[&format!("{name}: ")]);
        let json = ran("json");
        assert_eq!(json.status, Some(1));
        let last = lines(&json.stderr).pop().unwrap();
        assert_eq!((&last["message"], &last["program"]), (&"failed".into(), &name.into()), "{last}");
        let error = text.stderr.lines().last().unwrap().strip_prefix(&format!("{name}: ")).unwrap();
        assert_eq!(last["error"], error);
    }
}

#[test]
fn a_row_that_cannot_be_published_is_named_to_a_person_and_to_no_log() {
    let nation = Nation::seeded(1, 3_000);
    // Only whoever goes round the rules of the tables can do this.
    let database = nation.connect();
    database.pragma_update(None, "ignore_check_constraints", true).unwrap();
    database.execute("UPDATE students SET sex = 'X', name = 'Quorrabel' WHERE id = 2718", []).unwrap();
    let shown = in_a_terminal(&nation, "publish --bucket ./bucket --database sqlite:results.db");
    assert!(shown.contains("publish: the row of student 2718 is invalid"), "{shown}");

    let told = "a row is invalid; in a terminal the program names it";
    let publish = |format| nation.run("publish", &["--log-format", format]);
    let (text, json) = (publish("text"), publish("json"));
    text.failed(1, &[&format!("publish: {told}\n")]);
    json.failed(1, &[told]);
    let last = lines(&json.stderr).pop().unwrap();
    assert_eq!((&last["level"], &last["error"]), (&"ERROR".into(), &told.into()));
    for said in [text.stderr, json.stderr] {
        assert!(!said.contains("2718") && !said.contains("Quorrabel"), "{said}");
    }
}
