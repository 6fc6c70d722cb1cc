//! Proves that who asks for anybody at all, as fast as he can, takes the answers of corrected students from nobody: with
//! a database that takes its time.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod servers;
}
mod system;

use std::{
    io::Write,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use support::servers::Postgres;
use system::{Nation, Ran, Server, eventually, program};

/// Look-ups in flight of which the live API has none left, and some more.
const ASKERS: u32 = 200;

fn published(url: &str) -> (Nation, Server) {
    let nation = Nation::empty();
    let run = |name: &str, flags: &[&str]| {
        Ran::of(program(name, &nation.path("")).args(["--database", url]).args(flags)).succeeded()
    };
    run("db-seeder", &["--students", "3000"]);
    run("publish", &["--bucket", "./bucket"]);
    let server = nation.serve_with(&["--database", url]).serving(1);
    (nation, server)
}

/// Runs these statements, and keeps the transaction that they began until it is killed.
fn session(url: &str, statements: &str) -> Child {
    let mut psql = Command::new("psql").args(["-qX", url]).stdin(Stdio::piped()).spawn().unwrap();
    psql.stdin.as_mut().unwrap().write_all(statements.as_bytes()).unwrap();
    psql
}

#[test]
fn who_asks_for_anybody_leaves_room_for_those_who_were_corrected() {
    let postgres = Postgres::start();
    let url = postgres.database();
    let (_nation, server) = published(&url);
    let correction = "UPDATE students SET name = name || '+' WHERE id = 9;\n";
    let lock = "BEGIN; LOCK TABLE students IN ACCESS EXCLUSIVE MODE;\n";
    let mut locked = session(&url, &format!("{correction}{lock}"));
    eventually("the correction is known", || {
        (server.get("/release.json").json()["changes"]["since_release"] == 1).then_some(())
    });
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        for id in 1_000..1_000 + ASKERS {
            let (server, ended) = (&server, &ended);
            scope.spawn(move || {
                let mut client = server.client();
                while !ended.load(Ordering::Relaxed) {
                    client.get(&format!("/student/{id}"));
                }
            });
        }
        let mut client = server.client();
        eventually("there is no room for another one", || {
            (client.get("/student/2000").problem() == "overloaded").then_some(())
        });
        // It waits for the database like the others.
        assert_eq!(client.get("/student/9.json").problem(), "live-unavailable");
        ended.store(true, Ordering::Relaxed);
    });
    locked.kill().unwrap();
    locked.wait().unwrap();
    eventually("the student is answered", || (server.student(9).status == 200).then_some(()));
}
