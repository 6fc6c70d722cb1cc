//! Proves that an S3 store which cannot be used is refused in good time, with an error that says the cause once, and
//! no secret.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod board;
    pub(crate) mod servers;
}
mod system;

use std::{
    fs::{self, File},
    net::TcpListener,
    process::Stdio,
    time::{Duration, Instant},
};

use support::{
    board::{Board, MINIO},
    servers::{Minio, Moto, free_port, s3},
};
use system::{Ran, Running, within};

/// Runs a program that is to fail within this time, and returns what it said.
fn refused(board: &Board, flags: &[&str], environment: &[(&str, &str)], limit: Duration) -> String {
    let started = Instant::now();
    let ran = Ran::of(board.program("publish", flags).envs(environment.iter().copied()));
    assert!(started.elapsed() < limit, "{flags:?} took {:?}", started.elapsed());
    ran.failed(1, &[]);
    let said: Vec<_> = ran.stderr.lines().filter(|line| line.starts_with("publish: ")).collect();
    let [line] = said[..] else { panic!("{ran:?}") };
    for secret in [s3::SECRET, "Signature=", "not-the-secret"] {
        assert!(!ran.stderr.contains(secret), "{secret:?} is in {}", ran.stderr);
    }
    line.to_owned()
}

const SECONDS: Duration = Duration::from_secs(10);
const A_MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_store_that_ignores_the_condition_is_refused_and_nothing_is_left_in_it() {
    let moto = Moto::start();
    let board = Board::at(moto.port(), "unconditional").seeded(1_500);
    for _ in 0..2 {
        let line = refused(&board, &[], &[], SECONDS);
        assert_eq!(
            line,
            "publish: the store at s3://unconditional does not honour create-if-absent: it let a second write to \
             one key succeed; releases can not be committed there"
        );
        assert_eq!(board.keys(), [""; 0]);
    }
}

#[test]
fn wrong_keys_are_refused_with_what_the_store_says_of_them() {
    let board = Board::new("locked").seeded(100);
    board.publish();
    board.edit("UPDATE students SET name = name || ' +' WHERE id = 7");
    for (environment, cause) in [
        (("AWS_SECRET_ACCESS_KEY", "not-the-secret"), "SignatureDoesNotMatch: "),
        (("AWS_ACCESS_KEY_ID", "nobody"), "InvalidAccessKeyId: "),
    ] {
        for flags in [&[][..], &["verify"]] {
            let line = refused(&board, flags, &[environment], SECONDS);
            let start = "publish: listing releases in the store: ";
            assert!(line.starts_with(&format!("{start}{cause}")), "{line}");
            assert!(line.ends_with(&format!("(GET http://127.0.0.1:{}/locked)", MINIO.port())), "{line}");
            assert_eq!(line.matches(cause).count(), 1, "{line}");
        }
    }
    assert_eq!(board.releases(), [1]);
}

#[test]
fn an_endpoint_where_nobody_listens_is_given_up_soon() {
    let port = free_port();
    let board = Board::at(port, "nowhere").seeded(100);
    let line = refused(&board, &[], &[], A_MINUTE);
    let start =
        format!("publish: the bucket nowhere: the store at http://127.0.0.1:{port} does not answer: ");
    assert_eq!(line, format!("{start}Connection refused (os error 111)"));
    let line = refused(&board, &["verify"], &[], SECONDS);
    assert_eq!(
        line,
        format!(
            "publish: listing releases in the store: Connection refused (os error 111) \
             (GET http://127.0.0.1:{port}/nowhere)"
        )
    );
}

#[test]
fn a_store_that_hangs_is_given_up_as_well() {
    // Connections are accepted by the kernel, and nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let board = Board::at(silent.local_addr().unwrap().port(), "hanging").seeded(100);
    let line = refused(&board, &["verify"], &[], Duration::from_secs(20));
    assert!(line.starts_with("publish: listing releases in the store: operation timed out (GET "), "{line}");
    let line = refused(&board, &[], &[], A_MINUTE);
    assert!(line.ends_with(" does not answer: operation timed out"), "{line}");
}

#[test]
fn what_is_missing_or_malformed_is_named() {
    let board = Board::new("missing").seeded(100);
    let line = refused(&board, &["verify"], &[], SECONDS);
    assert!(line.contains("NoSuchBucket: The specified bucket does not exist (GET "), "{line}");
    for endpoint in ["127.0.0.1:9000", "ftp://127.0.0.1/", "http://", "nonsense", "http://a b/"] {
        for flags in [&[][..], &["verify"]] {
            let line = refused(&board, flags, &[("AWS_ENDPOINT_URL", endpoint)], SECONDS);
            assert_eq!(
                line,
                "publish: the bucket missing: AWS_ENDPOINT_URL is no URL; give one such as http://127.0.0.1:9000"
            );
        }
    }
    for name in ["Results", "ab", "s3://re_sults/prefix", "gs://results"] {
        let ran = board.run("publish", &["--bucket", name]);
        ran.failed(
            2,
            &[name, "give an S3 bucket as results or s3://results/prefix, or a directory as ./bucket"],
        );
    }
}

#[test]
fn a_server_whose_store_is_away_says_so_and_serves_as_soon_as_it_is_back() {
    let mut minio = Minio::start();
    let board = Board::at(minio.port(), "served").seeded(100);
    board.publish();
    minio.kill();
    let log = board.folder.path().join("log");
    let flags = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--cache-dir", "cache"];
    let mut serve = board.program("serve", &flags);
    let _running = Running::start(serve.stdout(Stdio::null()).stderr(File::create(&log).unwrap()));
    let logged = |text: &str| {
        let log = fs::read_to_string(&log).unwrap();
        log.lines().find(|line| line.contains(text)).map(str::to_owned)
    };
    let line = within(SECONDS, "the server says that its store is away", || logged("following the releases"));
    let cause = format!("Connection refused (os error 111) (GET http://127.0.0.1:{}/served)", minio.port());
    assert!(line.contains(&cause), "{line}");
    minio.resume();
    within(SECONDS, "the server serves the release", || logged("serving a release"));
}
