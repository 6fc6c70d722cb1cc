//! Proves that whoever runs a server can look into it while it works, on the second listener alone: on what it spends
//! its time, what it has in memory, and what its runtimes are doing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use system::{Answer, Client, Nation, Server, eventually, within};

/// Asks `admin` while two clients ask for students without pause.
fn under_load<T>(server: &Server, ask: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for offset in [1, 1_500] {
            let (stop, mut client) = (&stop, server.client());
            scope.spawn(move || {
                for id in (offset..).take_while(|_| !stop.load(Ordering::Relaxed)) {
                    assert_eq!(client.get(&format!("/student/{}.json", 1 + id % 3_000)).status, 200);
                }
            });
        }
        let answer = ask();
        stop.store(true, Ordering::Relaxed);
        answer
    })
}

fn admin(server: &Server, target: &str) -> Answer {
    Client::tcp(&server.admin).unwrap().get(target)
}

/// What `gzip -d` makes of it.
fn decompressed(bytes: &[u8]) -> Vec<u8> {
    let mut gzip =
        Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, bytes) = (gzip.stdin.take().unwrap(), bytes.to_vec());
    let writer = thread::spawn(move || stdin.write_all(&bytes));
    let output = gzip.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// The fields of a message of protocol buffers, which has only numbers and bytes.
fn fields(mut message: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let varint = |message: &mut &[u8]| {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = message.split_first().unwrap();
            *message = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    };
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let number = varint(&mut message);
        match key & 7 {
            0 => fields.push((key >> 3, number.to_le_bytes().to_vec())),
            2 => {
                let (bytes, rest) = message.split_at(usize::try_from(number).unwrap());
                fields.push((key >> 3, bytes.to_vec()));
                message = rest;
            }
            other => panic!("a field of type {other}"),
        }
    }
    fields
}

#[test]
fn a_profile_under_load_names_the_functions_that_answer() {
    let nation = Nation::published();
    let server = nation.serve_static().serving(1);
    // On a machine with much else to do a server may get no processor for a second.
    let answer = within(Duration::from_secs(120), "twenty stacks are met", || {
        let answer = under_load(&server, || admin(&server, "/debug/pprof/profile?seconds=2"));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/octet-stream")));
        let stacks = fields(&decompressed(&answer.body)).iter().filter(|(field, _)| *field == 2).count();
        (stacks >= 20).then_some(answer)
    });
    let profile = fields(&decompressed(&answer.body));
    let of = |wanted| profile.iter().filter(move |(field, _)| *field == wanted).map(|(_, bytes)| bytes);
    let texts: Vec<_> = of(6).map(|text| String::from_utf8(text.clone()).unwrap()).collect();
    assert_eq!(texts[0], "");
    for name in ["cpu", "nanoseconds", "/serve"] {
        assert!(texts.iter().any(|text| text.ends_with(name)), "{name} is missing");
    }
    assert!(texts.iter().any(|text| text.contains("serve::http::")), "{texts:#?}");
    assert!(!texts.iter().any(|text| text.contains("sampler")), "the profile profiles itself: {texts:#?}");

    let Ok(go) = Command::new("go").arg("version").output() else { return };
    assert!(go.status.success());
    let path = nation.path("profile.pb.gz");
    fs::write(&path, &answer.body).unwrap();
    let said = top(&path);
    assert!(said.contains("serve::http::") && said.contains("Type: cpu"), "{said}");
    assert!(said.contains(" as tower_service::Service<"), "names are shortened: {said}");
}

/// What `go tool pprof -top` says of it, callers included.
fn top(path: &Path) -> String {
    let mut command = Command::new("go");
    command.args(["tool", "pprof", "-top", "-cum", "-nodecount=200"]).arg(path);
    let ran = command.stdin(Stdio::null()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}");
    said
}

#[test]
fn one_profile_is_taken_at_a_time_and_whoever_hangs_up_ends_his() {
    let nation = Nation::published();
    let server = nation.serve_static().serving(1);
    let (first, refused) = eventually("the second is refused", || {
        let mut first = Client::tcp(&server.admin).unwrap();
        first.send(b"GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nhost: admin\r\n\r\n").unwrap();
        // The second may come first.
        let second = admin(&server, "/debug/pprof/profile?seconds=1");
        (second.status == 409).then_some((first, second))
    });
    assert!(String::from_utf8_lossy(&refused.body).contains("another profile is being taken"));
    drop(first);
    let begun = Instant::now();
    eventually("the next one is taken", || {
        (admin(&server, "/debug/pprof/profile?seconds=1").status == 200).then_some(())
    });
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(server.student(7).status, 200);
}

#[test]
fn how_long_one_looks_is_bounded() {
    let nation = Nation::published();
    let server = nation.serve_static().serving(1);
    for target in ["/debug/pprof/profile", "/debug/tasks"] {
        for seconds in ["0", "61", "-1", "1.5", "", "x"] {
            let answer = admin(&server, &format!("{target}?seconds={seconds}"));
            assert_eq!(answer.status, 400, "{target} for {seconds}");
            assert!(String::from_utf8_lossy(&answer.body).contains("from 1 to 60"));
        }
    }
}

#[test]
fn the_runtimes_say_how_many_connections_they_have_and_how_busy_they_are() {
    let nation = Nation::published();
    let server = nation.serve_static().serving(1);
    let answer = under_load(&server, || admin(&server, "/debug/tasks"));
    let runtimes = answer.json();
    let runtimes = runtimes.as_array().unwrap();
    assert_eq!((answer.status, &runtimes[0]["runtime"]), (200, &"background".into()));
    let serving = &runtimes[1..];
    assert!(!serving.is_empty());
    for (number, runtime) in serving.iter().enumerate() {
        assert_eq!(runtime["runtime"], format!("serve-{number}"));
        assert_eq!(runtime["busy"].as_array().unwrap().len(), 1, "{runtime}");
    }
    let connections: u64 = serving.iter().map(|runtime| runtime["alive_tasks"].as_u64().unwrap()).sum();
    assert!(connections >= 2, "{runtimes:?}");
    let busy = |runtime: &serde_json::Value| runtime["busy"][0].as_f64().unwrap();
    assert!(serving.iter().all(|runtime| (0.0..=1.0).contains(&busy(runtime))), "{runtimes:?}");
    assert!(serving.iter().any(|runtime| busy(runtime) > 0.0), "{runtimes:?}");
}

#[test]
fn the_heap_is_told_in_bytes() {
    let nation = Nation::published();
    let server = nation.serve_static().serving(1);
    let heap = admin(&server, "/debug/heap").json();
    let figure = |name: &str| heap[name].as_u64().unwrap();
    assert!((10_000..1_000_000_000).contains(&figure("in_use")), "{heap}");
    assert!(figure("held") >= figure("in_mappings"), "{heap}");
    assert!(figure("held") + 4_096 >= figure("unused"), "{heap}");
}

#[test]
fn nothing_of_it_is_reached_by_the_public() {
    let nation = Nation::published();
    let server = nation.serve_static().serving(1);
    for target in
        ["/debug/pprof/profile?seconds=1", "/debug/tasks", "/debug/heap", "/debug/", "/debug/pprof/"]
    {
        let answer = server.get(target);
        assert_eq!((answer.status, &*answer.problem()), (404, "unknown-path"), "{target}");
    }
}
