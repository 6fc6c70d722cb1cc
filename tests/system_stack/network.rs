//! The network between a server and what stands behind it is cut in the middle of answers.

use crate::{
    servers::CuttingProxy,
    stack::Stack,
    system::{Server, eventually, within},
};
use std::time::Duration;

/// After how many bytes of answers connections are cut: in the greeting, in the head of an answer, in its middle, and
/// in the next one.
const CUTS: [u64; 8] = [0, 1, 40, 150, 400, 700, 2_000, 10_000];

/// A fourth server, whose ways to the others lead through networks that can be cut.
struct Behind {
    server: Server,
    postgres: CuttingProxy,
    redis: CuttingProxy,
    minio: CuttingProxy,
    _folder: tempfile::TempDir,
}

impl Behind {
    fn start(stack: &Stack) -> Self {
        let through = |url: &str| {
            let (before, after) = url.rsplit_once(':').unwrap();
            let (port, path) = after.split_once('/').unwrap_or((after, ""));
            let proxy = CuttingProxy::to(port.parse().unwrap());
            (format!("{before}:{}/{path}", proxy.port()), proxy)
        };
        let (database, postgres) = through(stack.get("DATABASE_URL"));
        let (cache, redis) = through(stack.get("REDIS_URL"));
        let (endpoint, minio) = through(stack.get("AWS_ENDPOINT_URL"));
        let folder = tempfile::tempdir().unwrap();
        let mut environment = stack.environment().clone();
        environment.insert("AWS_ENDPOINT_URL".to_owned(), endpoint.trim_end_matches('/').to_owned());
        let flags = ["--bucket", "results", "--database", &database, "--cache", &cache];
        let server = Server::start_in(folder.path(), &flags, &environment);
        Self { server, postgres, redis, minio, _folder: folder }
    }

    /// The student is shown by this name.
    fn shows(&self, id: u32, name: &str) {
        eventually("the correction is shown", || {
            let answer = self.server.student(id);
            (answer.status == 200 && answer.json()["name"] == name).then_some(())
        });
    }

    /// Asks for a corrected student, who is shown by this name or not at all, and for others, who are published.
    fn is_right_or_says_nothing(&self, id: u32, name: &str) {
        for _ in 0..10 {
            for target in [format!("/student/{id}.json"), format!("/student/{id}")] {
                let answer = self.server.get(&target);
                match answer.status {
                    200 => assert_eq!(answer.json()["name"], name, "{answer:?}"),
                    503 => assert!(answer.header("retry-after").is_some(), "{answer:?}"),
                    other => panic!("{target} was answered {other}"),
                }
            }
            let other = self.server.student(id + 1);
            assert_eq!(other.header("cache-status"), Some("results-day;hit"), "{other:?}");
        }
    }
}

#[test]
fn a_database_that_is_cut_off_in_the_middle_of_its_answers_makes_none_of_ours_wrong() {
    let stack = crate::stack::stack();
    let behind = Behind::start(&stack);
    behind.server.switched_to(stack.release());
    for (number, bytes) in CUTS.into_iter().enumerate() {
        let name = format!("Cut off {number}");
        stack.sql(&format!("UPDATE students SET name = '{name}' WHERE id = 3210"));
        behind.shows(3_210, &name);
        // Nothing is known of it by the cache, so the database would have to tell.
        behind.redis.cut_after(0);
        behind.postgres.cut_after(bytes);
        behind.is_right_or_says_nothing(3_210, &name);
        behind.redis.heal();
        behind.postgres.heal();
        behind.shows(3_210, &name);
    }
    stack.sql("UPDATE students SET name = 'Whole again' WHERE id = 3210");
    behind.shows(3_210, "Whole again");
}

#[test]
fn a_cache_that_is_cut_off_in_the_middle_of_its_answers_is_done_without() {
    let stack = crate::stack::stack();
    let behind = Behind::start(&stack);
    behind.server.switched_to(stack.release());
    for (number, bytes) in CUTS.into_iter().enumerate() {
        let name = format!("Uncached {number}");
        stack.sql(&format!("UPDATE students SET name = '{name}' WHERE id = 4321"));
        behind.shows(4_321, &name);
        behind.redis.cut_after(bytes);
        for _ in 0..10 {
            assert_eq!(behind.server.student(4_321).json()["name"], name);
        }
        behind.redis.heal();
    }
    eventually("the cache is used again", || {
        let cache_status = behind.server.student(4_321).header("cache-status").map(str::to_owned);
        (cache_status.as_deref() == Some("results-day;fwd=stale;detail=cache")).then_some(())
    });
}

#[test]
fn a_store_that_is_cut_off_in_the_middle_of_a_shard_delays_a_release_and_breaks_none() {
    let stack = crate::stack::stack();
    let behind = Behind::start(&stack);
    behind.server.switched_to(stack.release());
    for (number, bytes) in [100, 1_000, 20_000, 100_000].into_iter().enumerate() {
        let name = format!("Published {number}");
        stack.sql(&format!("UPDATE students SET name = '{name}' WHERE id IN (5432, 15432)"));
        behind.minio.cut_after(bytes);
        let release = stack.publish();
        behind.shows(5_432, &name);
        behind.is_right_or_says_nothing(5_432, &name);
        behind.minio.heal();
        within(Duration::from_secs(30), "the release is loaded", || {
            (behind.server.get("/release.json").json()["release"] == release).then_some(())
        });
        assert_eq!(behind.server.student(5_432).header("cache-status"), Some("results-day;hit"));
        assert_eq!(behind.server.student(5_432).json()["name"], name);
    }
}
