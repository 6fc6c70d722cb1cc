//! Proves that every cache keeps the promises of [`results_day::cache`]: one suite, run over the one in memory and
//! over Redis; and that a Redis in trouble costs a moment and nothing else.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod ids;
    pub(crate) mod servers;
}

use std::{
    future::Future,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use results_day::{
    cache::{self, Cache, CacheError, Entry},
    changes::{Change, Standing},
};

use support::{ids::id, servers::Redis};

static REDIS: LazyLock<Redis> = LazyLock::new(Redis::start);

/// Runs one test over every kind of cache.
async fn everywhere<F: Future<Output = ()>>(test: impl Fn(Arc<dyn Cache>) -> F) {
    for url in ["memory:".to_owned(), REDIS.url()] {
        println!("over {url}");
        test(cache::connect(&url).unwrap()).await;
    }
}

fn entry(transaction: u64, document: Option<&'static [u8]>) -> Entry {
    let own = Some(Change { transaction, token: u64::MAX - transaction });
    Entry { standing: Standing { own, everything: None }, document: document.map(Bytes::from_static) }
}

#[tokio::test]
async fn what_was_put_is_got_again_with_a_document_and_without_one() {
    everywhere(async |cache| {
        let everything = Some(Change { transaction: 7, token: 0 });
        for (number, entry) in [
            (1, entry(812, Some(b"{\"id\":1}\n"))),
            (999, entry(u64::MAX >> 1, None)),
            (1_000, Entry { standing: Standing { own: None, everything: None }, document: None }),
            (
                999_999_999,
                Entry { standing: Standing { own: None, everything }, document: Some("{}\n\n".into()) },
            ),
        ] {
            assert_eq!(cache.get("trip", id(number)).await.unwrap(), None);
            cache.put("trip", id(number), entry.clone()).await.unwrap();
            assert_eq!(cache.get("trip", id(number)).await.unwrap(), Some(entry));
        }
        assert_eq!(cache.get("trip", id(2)).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn an_entry_takes_the_place_of_the_older_one() {
    everywhere(async |cache| {
        for entry in [entry(1, Some(b"first\n")), entry(2, None), entry(1, Some(b"again\n"))] {
            cache.put("replaced", id(5), entry.clone()).await.unwrap();
            assert_eq!(cache.get("replaced", id(5)).await.unwrap(), Some(entry));
        }
    })
    .await;
}

#[tokio::test]
async fn one_data_set_never_sees_the_entries_of_another() {
    everywhere(async |cache| {
        cache.put("older", id(5), entry(1, Some(b"older\n"))).await.unwrap();
        assert_eq!(cache.get("newer", id(5)).await.unwrap(), None);
        cache.put("newer", id(5), entry(2, Some(b"newer\n"))).await.unwrap();
        assert_eq!(cache.get("newer", id(5)).await.unwrap(), Some(entry(2, Some(b"newer\n"))));
        // The older one's may be gone, but it is never the other's.
        let older = cache.get("older", id(5)).await.unwrap();
        assert!(older.is_none() || older == Some(entry(1, Some(b"older\n"))), "{older:?}");
    })
    .await;
}

#[tokio::test]
async fn a_document_may_be_of_any_size_and_of_any_bytes() {
    everywhere(async |cache| {
        for (number, size) in [(1, 1), (2, 65_536), (3, 300_000)] {
            let document: Vec<u8> = (0..size).map(|byte: u32| byte.to_le_bytes()[0]).collect();
            let entry = Entry { document: Some(document.into()), ..entry(1, None) };
            cache.put("big", id(number), entry.clone()).await.unwrap();
            assert_eq!(cache.get("big", id(number)).await.unwrap(), Some(entry));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_at_once_each_get_their_own() {
    everywhere(async |cache| {
        let tasks = (1..=500_u32).map(|number| {
            let cache = cache.clone();
            tokio::spawn(async move {
                let document = Bytes::from(format!("{{\"id\":{number}}}\n"));
                let entry = Entry { document: Some(document), ..entry(u64::from(number), None) };
                cache.put("many", id(number), entry.clone()).await.unwrap();
                assert_eq!(cache.get("many", id(number)).await.unwrap(), Some(entry));
            })
        });
        futures::future::try_join_all(tasks.collect::<Vec<_>>()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_value_in_redis_that_is_no_entry_is_nothing() {
    let cache = cache::connect(&REDIS.url()).unwrap();
    let mut connection = REDIS.connection();
    for value in
        [&b""[..], b"\n", b"{\"id\":5}\n", b"\xff\xfe\n{}", b"{\"own\":[1],\"everything\":null}\n{}\n"]
    {
        let written: i32 =
            redis::cmd("HSET").arg("results-day:foreign:0").arg(5).arg(value).query(&mut connection).unwrap();
        assert!(written <= 1);
        assert_eq!(cache.get("foreign", id(5)).await.unwrap(), None);
    }
    cache.put("foreign", id(5), entry(1, None)).await.unwrap();
    assert_eq!(cache.get("foreign", id(5)).await.unwrap(), Some(entry(1, None)));
}

/// A look-up that waits 200 ms for an answer, and what a busy machine adds.
const FAST: Duration = Duration::from_millis(400);

/// A look-up that waits for nothing.
const AT_ONCE: Duration = Duration::from_millis(50);

/// Asks, and says how long it took.
async fn timed(cache: &dyn Cache) -> (Result<Option<Entry>, CacheError>, Duration) {
    let started = Instant::now();
    (cache.get("trouble", id(1)).await, started.elapsed())
}

/// Asks until there is an answer.
async fn heals(cache: &dyn Cache, expected: Option<Entry>) {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match cache.get("trouble", id(1)).await {
            Ok(entry) => return assert_eq!(entry, expected),
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_redis_that_was_killed_fails_fast_and_heals_by_itself() {
    let mut redis = Redis::start();
    let cache = cache::connect(&redis.url()).unwrap();
    for _ in 0..3 {
        cache.put("trouble", id(1), entry(1, None)).await.unwrap();
        redis.kill();
        let (answer, took) = timed(&*cache).await;
        assert!(matches!(answer, Err(CacheError::Unavailable(_))), "{answer:?}");
        assert!(took < FAST, "{took:?}");
        let (answer, took) = timed(&*cache).await;
        assert!(matches!(answer, Err(CacheError::Resting)), "{answer:?}");
        assert!(took < AT_ONCE, "{took:?}");
        redis.resume();
        // It has forgotten everything.
        heals(&*cache, None).await;
    }
}

#[tokio::test]
async fn a_redis_that_hangs_is_waited_for_once_and_then_left_alone_for_a_moment() {
    let redis = Redis::start();
    let (connected, fresh) = (cache::connect(&redis.url()).unwrap(), cache::connect(&redis.url()).unwrap());
    connected.put("trouble", id(1), entry(1, None)).await.unwrap();
    redis.hang();
    // Whether or not there is a connection already.
    for cache in [&connected, &fresh] {
        let (answer, took) = timed(&**cache).await;
        assert!(matches!(answer, Err(CacheError::Unavailable(_))), "{answer:?}");
        assert!(took < FAST, "{took:?}");
        for _ in 0..100 {
            let (answer, took) = timed(&**cache).await;
            assert!(matches!(answer, Err(CacheError::Resting)), "{answer:?}");
            assert!(took < AT_ONCE, "{took:?}");
        }
    }
    redis.go_on();
    // And what it answers late is taken for nobody's answer.
    heals(&*connected, Some(entry(1, None))).await;
    heals(&*fresh, Some(entry(1, None))).await;
    connected.put("trouble", id(2), entry(2, None)).await.unwrap();
    assert_eq!(connected.get("trouble", id(2)).await.unwrap(), Some(entry(2, None)));
}

#[tokio::test]
async fn a_redis_that_is_started_after_its_first_look_up_is_found() {
    let mut redis = Redis::start();
    redis.stop();
    let cache = cache::connect(&redis.url()).unwrap();
    let (answer, took) = timed(&*cache).await;
    let Err(CacheError::Unavailable(problem)) = answer else { panic!("{answer:?}") };
    assert!(problem.contains("Connection refused"), "{problem}");
    assert!(took < FAST, "{took:?}");
    redis.resume();
    heals(&*cache, None).await;
}

/// Says something to the server as whoever runs it.
fn told(connection: &mut redis::Connection, words: &str) {
    let mut words = words.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    command.arg(words.collect::<Vec<_>>()).exec(connection).unwrap();
}

#[tokio::test]
async fn a_redis_that_refuses_who_comes_for_a_while_is_found_again() {
    let redis = Redis::start();
    let cache = cache::connect(&redis.url()).unwrap();
    cache.put("trouble", id(1), entry(1, None)).await.unwrap();
    let mut operator = redis.connection();
    told(&mut operator, "CONFIG SET requirepass another");
    told(&mut operator, "CLIENT KILL TYPE normal");
    // Of the connection that was cut, and of the next one, which is not let in.
    let deadline = Instant::now() + Duration::from_secs(5);
    while !cache.get("trouble", id(1)).await.is_err_and(|error| error.to_string().contains("NOAUTH")) {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    told(&mut operator, "CONFIG SET requirepass ");
    heals(&*cache, Some(entry(1, None))).await;
}

#[tokio::test]
async fn a_redis_that_takes_nothing_more_is_asked_for_what_it_has() {
    let redis = Redis::start_with(&["--maxmemory-policy", "noeviction"]);
    let cache = cache::connect(&redis.url()).unwrap();
    cache.put("trouble", id(1), entry(1, None)).await.unwrap();
    let mut operator = redis.connection();
    for (full, room) in
        [("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"), ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE")]
    {
        told(&mut operator, full);
        for _ in 0..3 {
            let refused = cache.put("trouble", id(1), entry(2, None)).await;
            assert!(matches!(refused, Err(CacheError::Unavailable(_))), "{full}: {refused:?}");
            assert_eq!(cache.get("trouble", id(1)).await.unwrap(), Some(entry(1, None)), "{full}");
        }
        told(&mut operator, room);
    }
    cache.put("trouble", id(1), entry(2, None)).await.unwrap();
}

#[tokio::test]
async fn a_password_belongs_into_the_url_and_into_no_message() {
    let redis = Redis::start_with(&["--requirepass", "open-sesame"]);
    let url = |password: &str| format!("redis://{password}127.0.0.1:{}/3", redis.port());
    let cache = cache::connect(&url(":open-sesame@")).unwrap();
    cache.put("trouble", id(1), entry(1, None)).await.unwrap();
    assert_eq!(cache.get("trouble", id(1)).await.unwrap(), Some(entry(1, None)));
    for (password, problem) in [(":not-sesame@", "AuthenticationFailed"), ("", "Authentication required")] {
        let cache = cache::connect(&url(password)).unwrap();
        let error = cache.get("trouble", id(1)).await.unwrap_err().to_string();
        assert!(error.starts_with("the cache is not available: "), "{error}");
        assert!(error.contains(problem) && !error.contains("sesame"), "{error}");
    }
}

#[test]
fn what_is_no_url_of_a_cache_is_refused_without_repeating_it() {
    for url in
        ["", "memory", "memory:x", "redis", "memcached://h", "redis://:sesame@", "redis://:sesame@host:port"]
    {
        let error = cache::connect(url).unwrap_err().to_string();
        assert!(error.starts_with("that is not the URL of a cache"), "{error}");
        assert!(
            error.contains("redis://:PASSWORD@HOST:PORT/DATABASE") && !error.contains("sesame"),
            "{error}"
        );
    }
}
