//! What a server may do to what stands behind it, and others to what it keeps: no more than they need.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::stack::Stack;

#[test]
fn a_servers_user_of_redis_reads_and_writes_entries_and_does_nothing_else() {
    let stack = crate::stack::stack();
    // Who asks Redis is this user.
    Stack::ask(&stack.front(), "/student/12346");
    let clients = redis(&stack, "default", "redis_password", &["client", "list"]);
    assert!(clients.contains("cmd=hget user=serve "), "{clients}");

    let as_server = |command: &[&str]| redis(&stack, "serve", "redis_serve_password", command);
    as_server(&["hset", "results-day:test", "field", "value"]);
    assert_eq!(as_server(&["hget", "results-day:test", "field"]), "value");
    for refused in [
        &["flushall"][..],
        &["keys", "*"],
        &["hgetall", "results-day:test"],
        &["hset", "other", "field", "value"],
        &["config", "get", "requirepass"],
        &["acl", "list"],
    ] {
        let said = as_server(refused);
        assert!(said.starts_with("NOPERM"), "{refused:?}: {said}");
    }
}

#[test]
fn nobody_else_enters_a_folder_that_holds_results() {
    let stack = crate::stack::stack();
    for part in ["postgres", "redis", "minio", "serve-1", "serve-2", "serve-3"] {
        let mode = fs::metadata(stack.data().join(part)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{part}");
    }
}

/// What Redis says to this user, whose password has this name in the stack's secrets.
fn redis(stack: &Stack, user: &str, password: &str, command: &[&str]) -> String {
    let secrets = fs::read_to_string(stack.data().join("secrets")).unwrap();
    let password = secrets.lines().find_map(|line| line.strip_prefix(password)?.strip_prefix('=')).unwrap();
    let (_, address) = stack.get("REDIS_URL").rsplit_once('@').unwrap();
    let (host, port) = address.strip_suffix("/0").unwrap().split_once(':').unwrap();
    let said = Command::new("redis-cli")
        .args(["-h", host, "-p", port, "--user", user])
        .args(command)
        .env("REDISCLI_AUTH", password)
        .output()
        .unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}
