//! Proves that a server keeps to its own sockets and cache directory, and that stopping cuts nobody off.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod system;

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use system::{Client, Nation, Server, eventually};

#[test]
fn a_stop_under_load_cuts_no_request_off() {
    let nation = Nation::published();
    nation.edit("UPDATE students SET name = name || '+' WHERE id % 10 = 0", []);
    let documents = nation.documents(nation.ids());
    for _ in 0..2 {
        let mut server = nation.serve().serving(1);
        eventually("the changes are known", || {
            (server.get("/release.json").json()["changes"]["since_release"] == 300).then_some(())
        });
        let (asked, begun) = (AtomicU64::new(0), Barrier::new(9));
        let (address, documents) = (&server.addresses[0].clone(), &documents);
        thread::scope(|scope| {
            for reader in 0..8_u32 {
                let (asked, begun) = (&asked, &begun);
                scope.spawn(move || {
                    let mut client = Client::tcp(address).unwrap();
                    begun.wait();
                    // Until the server says that an answer is the last one, each request gets a whole one.
                    for place in 0.. {
                        let id = 1 + (place * 7 + reader * 375) % 3_000;
                        let answer = client.get(&format!("/student/{id}.json"));
                        assert_eq!((answer.status, &answer.body), (200, &documents[&id]));
                        asked.fetch_add(1, Ordering::Relaxed);
                        if answer.is_last() {
                            assert!(client.is_closed());
                            return;
                        }
                    }
                });
            }
            begun.wait();
            eventually("the readers read", || (asked.load(Ordering::Relaxed) > 500).then_some(()));
            let told = Instant::now();
            assert!(server.stop().success(), "{}", server.log());
            assert!(told.elapsed() < Duration::from_secs(10));
        });
        assert!(server.log().contains("stopped") && !server.log().contains("cut"), "{}", server.log());
        assert!(Client::tcp(address).is_err(), "nobody listens any more");
    }
}

#[test]
fn a_stopping_server_says_so_and_answers_what_is_on_its_way() {
    let nation = Nation::published();
    let mut server = nation.serve().serving(1);
    let (mut idle, mut late) = (server.client(), server.client());
    assert_eq!(idle.get("/student/7.json").status, 200);
    // Half a request is on its way.
    late.send(b"GET /student/7.json HTTP/1.1\r\n").unwrap();
    server.terminate();
    let readiness = eventually("the server says that it stops", || {
        Some(server.readiness()).filter(|readiness| readiness.status == 503)
    });
    assert_eq!(readiness.body, b"stopping\n");
    late.send(b"host: x\r\n\r\n").unwrap();
    let answer = late.receive("GET").unwrap().unwrap();
    assert_eq!((answer.status, answer.is_last(), answer.body), (200, true, nation.document(7)));
    assert!(late.is_closed());
    // Who says nothing is let go.
    assert!(idle.is_closed());
    assert!(server.ended().success());
}

#[test]
fn clients_that_never_finish_do_not_keep_a_server_from_stopping() {
    let nation = Nation::published();
    let mut server = nation.serve().serving(1);
    let mut clients: Vec<_> = (0..20).map(|_| server.client()).collect();
    for (place, client) in clients.iter_mut().enumerate() {
        client
            .send(["", "GET /stu", "GET /student/7.json HTTP/1.1\r\nhost: x\r\n"][place % 3].as_bytes())
            .unwrap();
    }
    assert!(server.stop().success());
}

#[test]
fn a_database_that_does_not_answer_does_not_keep_a_server_from_stopping() {
    let nation = Nation::published();
    let document = nation.document(7);
    let database = nation.connect();
    // Without the write-ahead log, a writer can lock readers out.
    let mode: String = database.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "delete");
    let mut server = nation.serve().serving(1);
    database.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let age = || server.get("/release.json").json()["changes"]["age_seconds"].as_f64().unwrap();
    eventually("the database does not answer", || (age() > 0.3).then_some(()));
    assert_eq!(server.serves(7, &document), "results-day;hit");
    assert!(server.stop().success());
}

#[test]
fn a_unix_socket_is_there_while_the_server_is_and_replaces_that_of_a_dead_one() {
    let nation = Nation::published();
    let path = nation.path("socket");
    let listen = format!("unix:{}", path.display());
    let flags = ["--listen", listen.as_str(), "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"];
    let mut server = nation.serve_with(&flags);
    assert_eq!(server.addresses.len(), 3);
    let document = nation.document(7);
    let by_socket = || Client::unix(&path).unwrap().get("/student/7.json");
    eventually("the socket is served", || (by_socket().body == document).then_some(()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
    for address in &server.addresses[1..] {
        assert_eq!(Client::tcp(address).unwrap().get("/student/7.json").body, document);
    }
    // A second server may not take it away, and leaves it alone.
    let other = ["--listen", listen.as_str(), "--cache-dir", "other"];
    Server::refused(&nation.path(""), &other).failed(1, &["another server listens there", &listen]);
    assert_eq!(by_socket().body, document);
    // A killed one leaves it behind, and the next one replaces it.
    server.kill();
    assert!(path.exists());
    let mut server = server.start_again();
    assert_eq!(by_socket().body, document);
    assert!(server.stop().success());
    assert!(!path.exists(), "the socket was left behind");
}

#[test]
fn a_file_that_is_no_socket_is_never_removed() {
    let nation = Nation::published();
    fs::write(nation.path("precious"), "data").unwrap();
    let listen = format!("unix:{}", nation.path("precious").display());
    Server::refused(&nation.path(""), &["--listen", &listen]).failed(1, &["no socket", "precious"]);
    assert_eq!(fs::read(nation.path("precious")).unwrap(), b"data");
    // Nor is a socket somebody else listens on.
    let _living = UnixListener::bind(nation.path("living")).unwrap();
    let listen = format!("unix:{}", nation.path("living").display());
    Server::refused(&nation.path(""), &["--listen", &listen]).failed(1, &["another server listens there"]);
    assert!(nation.path("living").exists());
}

#[test]
fn a_port_or_a_cache_directory_belongs_to_one_server() {
    let nation = Nation::published();
    let server = nation.serve_static().serving(1);
    let refused = |flags: &[&str], words: &[&str]| Server::refused(&nation.path(""), flags).failed(1, words);
    let port = server.addresses[0].as_str();
    refused(&["--listen", port, "--cache-dir", "other"], &[port, "Address already in use"]);
    refused(&["--admin", &server.admin, "--cache-dir", "other"], &[&server.admin, "Address already in use"]);
    refused(&[], &["cache", "belongs to a server that is running", "--cache-dir"]);
    server.serves(7, &nation.document(7));
    // A killed server's lock is gone with it.
    let server = server.restart();
    server.serves(7, &nation.document(7));
    // Two servers of one bucket and one database get along.
    let other = nation.serve_with(&["--cache-dir", "other", "--database", "sqlite:results.db"]).serving(1);
    nation.correct(7);
    let document = nation.document(7);
    eventually("the correction is seen", || (other.student(7).body == document).then_some(()));
    nation.publish();
    for server in [&server, &other] {
        server.switched_to(2);
        server.serves(7, &document);
    }
}
