//! Proves that the server speaks HTTP as it comes: keep-alive, pipelines, HTTP/1.0, slow and broken clients;
//! and that nothing a client sends takes it down.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::{thread, time::Duration};

use system::{Client, Nation, Server};

/// The server still gives student 7 to whoever asks.
#[track_caller]
fn is_alive(server: &Server, nation: &Nation) {
    assert_eq!(server.serves(7, &nation.document(7)), "results-day;hit");
    assert_eq!(server.log().matches("panicked").count(), 0, "{}", server.log());
}

#[test]
fn one_connection_answers_any_number_of_requests() {
    let nation = Nation::published();
    let server = nation.serve().ready();
    let mut client = server.client();
    for (id, document) in nation.documents(nation.ids()) {
        let answer = client.get(&format!("/student/{id}.json"));
        assert_eq!((answer.status, &answer.body), (200, &document));
        assert!(!answer.is_last());
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let nation = Nation::published();
    nation.correct(9);
    let server = nation.serve().ready();
    let mut client = server.client();
    // Published, live, refused, HEAD, published: the fast ones must not overtake the slow.
    let asked = [
        ("GET", "/student/7.json", 200),
        ("GET", "/student/9.json", 200),
        ("GET", "/student/0.json", 400),
        ("HEAD", "/student/8.json", 200),
        ("GET", "/student/10.json", 200),
    ];
    for _ in 0..20 {
        let requests =
            asked.map(|(method, target, _)| format!("{method} {target} HTTP/1.1\r\nhost: x\r\n\r\n"));
        client.send(requests.concat().as_bytes()).unwrap();
        for (method, target, status) in asked {
            let answer = client.receive(method).unwrap().unwrap();
            assert_eq!(answer.status, status, "{method} {target}");
            if method == "GET" && status == 200 {
                let id: u32 = target[9..].trim_end_matches(".json").parse().unwrap();
                assert_eq!(answer.body, nation.document(id), "{target}");
            }
        }
    }
}

#[test]
fn http_1_0_is_answered_and_the_connection_closed() {
    let nation = Nation::published();
    let server = nation.serve().ready();
    let mut client = server.client();
    client.send(b"GET /student/7.json HTTP/1.0\r\n\r\n").unwrap();
    let answer = client.receive("GET").unwrap().unwrap();
    assert_eq!((answer.status, answer.body), (200, nation.document(7)));
    assert!(client.is_closed());
}

#[test]
fn a_client_that_asks_for_the_last_answer_gets_it() {
    let nation = Nation::published();
    let server = nation.serve().ready();
    let mut client = server.client();
    let answer = client.ask("GET", "/student/7.json", &[("connection", "close")]);
    assert_eq!(answer.body, nation.document(7));
    assert!(answer.is_last() && client.is_closed());
}

#[test]
fn a_request_may_arrive_byte_by_byte() {
    let nation = Nation::published();
    let server = nation.serve().ready();
    let mut client = server.client();
    for byte in b"GET /student/7.json HTTP/1.1\r\nhost: x\r\naccept-encoding: identity\r\n\r\n" {
        client.send(&[*byte]).unwrap();
        thread::yield_now();
    }
    assert_eq!(client.receive("GET").unwrap().unwrap().body, nation.document(7));
}

#[test]
fn a_request_with_a_body_is_answered_and_the_next_one_too() {
    let nation = Nation::published();
    nation.correct(9);
    let server = nation.serve().ready();
    for target in ["/student/7.json", "/student/9.json", "/student/0.json"] {
        let mut client = server.client();
        let head = format!("GET {target} HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello");
        client.send(head.as_bytes()).unwrap();
        assert!(matches!(client.receive("GET").unwrap().unwrap().status, 200 | 400), "{target}");
        assert_eq!(client.get("/student/8.json").body, nation.document(8), "after {target}");
    }
    is_alive(&server, &nation);
}

#[test]
fn what_is_no_http_is_refused_and_the_server_lives() {
    let nation = Nation::published();
    let server = nation.serve().ready();
    let long_target = format!("GET /student/{}.json HTTP/1.1\r\nhost: x\r\n\r\n", "7".repeat(1 << 20));
    let huge_header =
        format!("GET /student/7.json HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let many_headers = format!("GET /student/7.json HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(1_000));
    for (bytes, statuses) in [
        ("nonsense\r\n\r\n", &[400][..]),
        ("GET\r\n\r\n", &[400]),
        ("GET /student/7.json\r\n\r\n", &[400]),
        ("GET /student/7.json HTTP/9.9\r\n\r\n", &[400, 505]),
        ("GET /student/7.json HTTP/1.1\r\nno colon\r\n\r\n", &[400]),
        ("GET /student/\0.json HTTP/1.1\r\nhost: x\r\n\r\n", &[400]),
        ("GET /student/7 .json HTTP/1.1\r\nhost: x\r\n\r\n", &[400]),
        ("GET student/7.json HTTP/1.1\r\nhost: x\r\n\r\n", &[400]),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}", &[400]),
        ("GET /student/7.json HTTP/1.1\r\ncontent-length: x\r\n\r\n", &[400]),
        (&long_target, &[414, 431]),
        (&huge_header, &[431]),
        (&many_headers, &[431]),
    ] {
        let mut client = server.client();
        let shown = &bytes[..bytes.len().min(60)];
        // The server may stop reading and close before all of it is sent, and its answer be lost with that.
        let sent = client.send(bytes.as_bytes());
        match client.receive("GET") {
            Ok(Some(answer)) => assert!(statuses.contains(&answer.status), "{shown:?} gives {answer:?}"),
            lost => assert!(bytes.len() >= 1 << 20, "{shown:?} gives {lost:?}, sending it {sent:?}"),
        }
        is_alive(&server, &nation);
    }
}

#[test]
fn clients_who_leave_in_the_middle_are_forgotten() {
    let nation = Nation::published();
    nation.correct(9);
    let server = nation.serve().ready();
    for bytes in
        ["", "G", "GET /student/7.json HTTP/1.1\r\n", "GET /student/9.json HTTP/1.1\r\nhost: x\r\n\r\n"]
    {
        for _ in 0..50 {
            let mut client = server.client();
            client.send(bytes.as_bytes()).unwrap();
        }
    }
    is_alive(&server, &nation);
}

#[test]
fn five_hundred_idle_connections_do_not_keep_anybody_waiting() {
    let nation = Nation::published();
    let server = nation.serve().ready();
    let idle: Vec<Client> = (0..500).map(|_| server.client()).collect();
    is_alive(&server, &nation);
    drop(idle);
    is_alive(&server, &nation);
}

#[test]
fn a_unix_socket_speaks_the_same() {
    let nation = Nation::published();
    let path = nation.path("socket");
    let listen = format!("unix:{}", path.display());
    let server = nation.serve_with(&["--listen", &listen, "--database", "sqlite:results.db"]);
    assert_eq!(server.addresses, [listen]);
    system::within(Duration::from_secs(10), "the server is ready", || {
        let answer = Client::unix(&path).unwrap().get("/student/7.json");
        (answer.status == 200).then(|| assert_eq!(answer.body, nation.document(7)))
    });
    let mut client = Client::unix(&path).unwrap();
    let zstd = client.ask("GET", "/student/7.json", &[("accept-encoding", "zstd")]);
    assert_eq!(zstd::decode_all(&zstd.body[..]).unwrap(), nation.document(7));
    assert_eq!(client.ask("HEAD", "/student/0.json", &[]).status, 400);
    assert_eq!(client.get("/student/8.json").body, nation.document(8));
}
