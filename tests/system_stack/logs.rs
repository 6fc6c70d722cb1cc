//! No line of any part's log names a student, whatever is asked and whatever fails; and a request that fails is found.

use std::{collections::BTreeSet, fs, io::Write, path::Path, time::Duration};

use crate::{
    stack::Stack,
    system::{Client, Watcher, eventually, files, program, within},
};

/// Everything that our programs and what they are made of can say, ours in the most detail.
const LOUD: [(&str, &str); 3] = [
    ("RUST_LOG", "debug,results_day=trace,serve=trace,publish=trace"),
    ("LOG_FORMAT", "json"),
    ("RUST_BACKTRACE", "1"),
];

/// Ids that are nothing else in a log: students of one shard, who are published; one who comes later; nobody's.
const PUBLISHED: [u32; 6] = [734_561_207, 734_561_319, 734_561_428, 734_561_533, 734_561_646, 734_561_751];
const LATER: u32 = 734_561_862;
const NOBODY: [u32; 3] = [734_561_974, 734_562_083, 918_273_645];

/// A name that is nobody else's.
const NAME: &str = "Quorrabel";

/// Everybody whom we know the name of, by what was answered.
type Names = BTreeSet<String>;

#[test]
fn no_log_names_whom_it_was_asked_for_or_whom_it_answered() {
    let mut stack = crate::stack::stack();
    let ids = PUBLISHED.map(|id| id.to_string()).join("), (");
    stack.sql(&format!(
        "INSERT INTO students SELECT id, '{NAME} Vexworth', 'F', 'Bole', 'Addis Ababa', 'natural_science'
         FROM (VALUES ({ids})) AS new (id);
         INSERT INTO natural_science_results SELECT id, 1, 2, 3, 4, 5, 6, 7 FROM (VALUES ({ids})) AS new (id)"
    ));
    ["REPLICA_1", "REPLICA_2", "REPLICA_3"].iter().for_each(|part| stack.kill(part));
    stack.up_with(&LOUD);
    let mut said = publish(&stack, 0);
    stack.all_serve(stack.publish());
    let mut names = Names::new();
    ask_for_everybody(&stack, &mut names);

    // Corrected, withheld and new: answered live, from the database and from the cache.
    let [corrected, withheld, ..] = PUBLISHED;
    stack.sql(&format!(
        "UPDATE students SET name = '{NAME} Amended' WHERE id = {corrected};
         DELETE FROM natural_science_results WHERE student_id = {withheld};
         DELETE FROM students WHERE id = {withheld};
         INSERT INTO students VALUES ({LATER}, '{NAME} Late', 'M', 'Bole', 'Addis Ababa', 'natural_science');
         INSERT INTO natural_science_results VALUES ({LATER}, 7, 6, 5, 4, 3, 2, 1)"
    ));
    for replica in stack.replicas() {
        eventually("the corrections are shown", || {
            let status = |id| Stack::ask(&replica, &format!("/student/{id}.json")).status;
            (status(withheld) == 404 && status(LATER) == 200).then_some(())
        });
    }
    ask_for_everybody(&stack, &mut names);
    refused_by_the_database(&stack, corrected);

    // A watcher publishes them, and one more correction.
    let mut command = program("publish", &stack.data());
    command.args(["--watch", "--quiet", "100ms"]).envs(stack.environment()).envs(LOUD);
    let mut watcher = Watcher::start(&mut command);
    watcher.publishes(stack.release() + 1);
    stack.sql(&format!("UPDATE students SET name = '{NAME} Watched' WHERE id = {corrected}"));
    within(Duration::from_secs(30), "the watcher publishes again", || {
        (watcher.said().len() > 1).then_some(())
    });
    watcher.stop();
    said += &watcher.log();
    ask_for_everybody(&stack, &mut names);

    // The copy of one server is damaged.
    for path in files(&stack.data().join("serve-1/shards")).into_keys() {
        let bytes: Vec<u8> = fs::read(&path).unwrap().iter().map(|byte| byte ^ 0x55).collect();
        fs::OpenOptions::new().write(true).open(&path).unwrap().write_all(&bytes).unwrap();
    }
    ask_for_everybody(&stack, &mut names);

    said += &that_fails_is_found(&mut stack, corrected, &mut names);
    stack.up_with(&LOUD);
    stack.all_serve(stack.publish());

    // Parts die while they are asked.
    stack.kill("REPLICA_1");
    ask_for_everybody(&stack, &mut names);
    stack.kill("REPLICA_2");
    stack.kill("REPLICA_3");
    let lost = Stack::ask(&stack.front(), &format!("/student/{corrected}.json"));
    let name = lost.json()["request_id"].as_str().unwrap().to_owned();
    assert_eq!((lost.status, lost.header("x-request-id")), (503, Some(&*name)));
    eventually("NGINX logs the request that failed", || {
        fs::read_to_string(stack.data().join("log/nginx-failures.log")).unwrap().contains(&name).then_some(())
    });
    stack.up();

    assert!(names.len() > 15 && names.iter().any(|name| name.contains(NAME)), "{names:?}");
    let mut logs: Vec<_> = files(&stack.data().join("log")).into_iter().collect();
    logs.push((Path::new("publish").to_owned(), (std::time::SystemTime::now(), said.into_bytes())));
    for part in [
        "serve-1.log",
        "nginx.log",
        "nginx-failures.log",
        "postgres.log",
        "redis.log",
        "minio.log",
        "publish",
    ] {
        assert!(logs.iter().any(|(path, _)| path.ends_with(part)), "there is no {part}");
    }
    for (path, (_, log)) in logs {
        let log = String::from_utf8_lossy(&log);
        assert!(
            !path.ends_with("serve-1.log") || log.contains("\"level\":\"DEBUG\""),
            "the server is not loud"
        );
        names_nobody(&path, &log, &names);
    }
}

/// Publishes as loudly as it can; what it logs.
fn publish(stack: &Stack, status: i32) -> String {
    let mut command = program("publish", &stack.data());
    let ran = crate::system::Ran::of(command.envs(stack.environment()).envs(LOUD));
    assert_eq!(ran.status, Some(status), "{ran:?}");
    assert!(ran.stderr.contains("\"level\":\"DEBUG\""), "{}", ran.stderr);
    ran.stderr
}

/// Asks NGINX and every replica for everybody, in every way that there is to ask, and some that there are not.
fn ask_for_everybody(stack: &Stack, names: &mut Names) {
    let seeded = (1..20_000).step_by(997);
    let ids: Vec<u32> = PUBLISHED.into_iter().chain([LATER]).chain(NOBODY).chain(seeded).collect();
    for address in [stack.front()].into_iter().chain(stack.replicas()) {
        for id in &ids {
            let Ok(mut client) = Client::tcp(&address) else { break };
            let text = id.to_string();
            for (target, headers) in [
                (format!("/student/{id}.json"), &[][..]),
                (format!("/student/{id}"), &[("Accept-Encoding", "gzip")]),
                (format!("/student/{id}.json?student={id}"), &[("Referer", &*text), ("User-Agent", &text)]),
                (format!("/student/0{id}.json"), &[("X-Request-Id", &*text)]),
                (format!("/student/{id}x"), &[]),
                (format!("/student/%3{id}.json"), &[]),
                (format!("/{id}"), &[("Accept-Encoding", "identity;q=0")]),
                (format!("/student/{id}.json"), &[("Accept-Encoding", "identity;q=0"), ("Cookie", &text)]),
            ] {
                client.send(crate::system::request("GET", &target, headers).as_bytes()).unwrap();
                let Some(answer) = client.receive("GET").unwrap() else { break };
                if answer.status == 200 && answer.header("content-encoding").is_none() {
                    names.insert(answer.json()["name"].as_str().unwrap().to_owned());
                }
            }
        }
        for nonsense in [
            format!("GET /student/{} HTP/9.9\r\n\r\n", PUBLISHED[0]),
            format!("/student/{}\r\n\r\n", PUBLISHED[0]),
            format!("GET /student/{}\x01 HTTP/1.1\r\nhost: x\r\n\r\n", PUBLISHED[0]),
            format!("GET /student/{} HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", PUBLISHED[0], "x".repeat(40_000)),
            format!("POST /student/{0} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{0}", PUBLISHED[0]),
        ] {
            let Ok(mut client) = Client::tcp(&address) else { break };
            // What is refused early may not be taken whole, nor be answered.
            if client.send(nonsense.as_bytes()).is_ok() {
                let _answered = client.receive("GET");
            }
        }
    }
}

/// Statements that the database refuses, with the student in them and in the reason.
fn refused_by_the_database(stack: &Stack, id: u32) {
    for statement in [
        format!(
            "INSERT INTO students VALUES ({id}, '{NAME}', 'F', 'Bole', 'Addis Ababa', 'natural_science')"
        ),
        format!("UPDATE students SET sex = '{NAME}' WHERE id = {id}"),
        format!("SELECT '{NAME}'::integer + {id}"),
        format!("SELECT {id} FROM {NAME}"),
    ] {
        let psql = std::process::Command::new("psql")
            .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-d", stack.get("DATABASE_URL"), "-c", &statement])
            .output()
            .unwrap();
        assert!(!psql.status.success(), "{statement} was not refused");
    }
}

/// With database, cache and store dead: what is failed is named by NGINX, and the replica that failed it logs that name.
/// What a publication logs that fails.
fn that_fails_is_found(stack: &mut Stack, corrected: u32, names: &mut Names) -> String {
    stack.sql(&format!("UPDATE students SET name = '{NAME} Failed' WHERE id = {corrected}"));
    let knows = |replica: &str| Stack::ask(replica, "/release.json").json()["changes"]["since_release"] == 1;
    eventually("every replica knows", || stack.replicas().iter().all(|replica| knows(replica)).then_some(()));
    ["POSTGRES", "REDIS", "MINIO"].iter().for_each(|part| stack.kill(part));
    let failed = within(Duration::from_secs(20), "the corrected student is refused", || {
        let mut client = Client::tcp(&stack.front()).unwrap();
        let theirs = "0123456789abcdef0123456789abcdef";
        let target = format!("/student/{corrected}.json");
        let answer = client.ask("GET", &target, &[("X-Request-Id", theirs)]);
        let name = answer.json()["request_id"].as_str().map(str::to_owned);
        assert_ne!(name.as_deref(), Some(theirs), "a name from outside is taken over");
        assert_eq!(answer.header("x-request-id"), name.as_deref());
        (answer.status == 503).then(|| name.unwrap())
    });
    eventually("a replica logs the request that it failed", || {
        let logs = [1, 2, 3].map(|number| stack.data().join(format!("log/serve-{number}.log")));
        let found =
            |log: &String| log.lines().any(|line| line.contains(&failed) && line.contains("\"WARN\""));
        logs.iter().any(|path| found(&fs::read_to_string(path).unwrap())).then_some(())
    });
    ask_for_everybody(stack, names);
    publish(stack, 1)
}

/// Asserts that nobody is named in this log.
#[track_caller]
fn names_nobody(path: &Path, log: &str, names: &Names) {
    let name = |line: &str| names.iter().find(|name| line.contains(name.as_str())).cloned();
    let ids: Vec<_> = PUBLISHED.into_iter().chain([LATER]).chain(NOBODY).map(|id| id.to_string()).collect();
    // Nothing else in a log is a number of nine digits, but for the fractions of seconds.
    let is_id = |line: &str, at: usize, id: &str| {
        let before = line[..at].chars().next_back().is_some_and(|c| c.is_ascii_digit() || c == '.');
        let behind = line[at + id.len()..].starts_with(|c: char| c.is_ascii_digit());
        !before && !behind
    };
    for line in log.lines() {
        let id = ids.iter().find(|id| line.match_indices(id.as_str()).any(|(at, id)| is_id(line, at, id)));
        let path_of_one =
            line.split("/student/").skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let found = id.cloned().or_else(|| name(line)).or_else(|| path_of_one.then(|| "a path".to_owned()));
        assert_eq!(found, None, "{} names a student: {line}", path.display());
        assert!(!line.contains(NAME), "{} names a student: {line}", path.display());
    }
}
