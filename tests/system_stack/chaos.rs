//! Each part is killed under load, and each test ends with everything whole again.

use std::{thread, time::Duration};

use crate::{
    load::{Corrections, Load},
    stack::Stack,
    system::{Client, eventually, within},
    truth::TRUTH,
};

/// Asked for before, during and after a part is dead: enough to meet every replica and every kind of student.
const ENOUGH: u64 = 2_000;

/// How long a part stays dead at least, so that every server notices.
const DEAD: Duration = Duration::from_secs(2);

/// Corrects a student and waits until every replica shows it.
#[track_caller]
fn a_correction_is_seen_everywhere(stack: &Stack, id: u32, name: &str) {
    stack.sql(&format!("UPDATE students SET name = '{name}' WHERE id = {id}"));
    for replica in stack.replicas() {
        eventually("the replica shows the correction", || {
            let answer = Stack::ask(&replica, &format!("/student/{id}.json"));
            (answer.status == 200 && answer.json()["name"] == name).then_some(())
        });
    }
}

#[test]
fn a_replica_that_is_killed_under_load_fails_no_request() {
    let mut stack = crate::stack::stack();
    let load = Load::start(&stack.front(), 8);
    let corrections = Corrections::start(stack.get("DATABASE_URL"));
    for number in 1..=3 {
        load.answers(ENOUGH);
        stack.kill(&format!("REPLICA_{number}"));
        load.answers(ENOUGH);
        stack.up();
    }
    load.answers(ENOUGH);
    assert!(corrections.stop() > 0);
    let tally = load.tally();
    tally.is_faultless();
    assert_eq!(tally.of("told to come back"), 0, "{tally:?}");
    assert_eq!(tally.of("connection closed before an answer"), 0, "{tally:?}");
}

#[test]
fn a_replica_that_was_dead_while_marks_were_corrected_shows_none_of_the_old_ones() {
    let mut stack = crate::stack::stack();
    let [replica, ..] = stack.replicas();
    for round in 0..3 {
        stack.kill("REPLICA_1");
        let name = format!("Corrected {round}");
        stack.sql(&format!("UPDATE students SET name = '{name}' WHERE id % 100 = 7"));
        let (replica, expected) = (replica.clone(), name.clone());
        let asking = thread::spawn(move || {
            let mut answers = 0;
            within(Duration::from_secs(60), "the replica is back", || {
                let mut client = Client::tcp(&replica).ok()?;
                let answer = client.get(&format!("/student/{}.json", 100 * (answers % 100) + 7));
                assert_eq!((answer.status, &answer.json()["name"]), (200, &expected.clone().into()));
                answers += 1;
                (answers == 1_000).then_some(())
            });
        });
        stack.up();
        asking.join().unwrap();
    }
}

#[test]
fn without_redis_corrected_students_are_read_from_the_database() {
    let mut stack = crate::stack::stack();
    let load = Load::start(&stack.front(), 4);
    let corrections = Corrections::start(stack.get("DATABASE_URL"));
    load.answers(ENOUGH);
    stack.kill("REDIS");
    thread::sleep(DEAD);
    load.answers(ENOUGH);
    let live = Stack::ask(&stack.front(), "/student/12347");
    assert_eq!(live.header("cache-status"), Some("results-day;fwd=bypass;detail=database"), "{live:?}");
    stack.up();
    load.answers(ENOUGH);
    assert!(corrections.stop() > 0);
    let tally = load.tally();
    tally.is_faultless();
    assert_eq!(tally.of("told to come back"), 0, "{tally:?}");
    // Healed without a restart: what is read once is in the cache, for every replica.
    for replica in stack.replicas() {
        eventually("the replica uses the cache again", || {
            let answer = Stack::ask(&replica, "/student/12347");
            (answer.header("cache-status") == Some("results-day;fwd=bypass;detail=cache")).then_some(())
        });
    }
}

#[test]
fn without_postgres_the_published_are_answered_and_the_corrected_are_right_or_told_to_come_back() {
    let mut stack = crate::stack::stack();
    let load = Load::start(&stack.front(), 4);
    let corrections = Corrections::start(stack.get("DATABASE_URL"));
    for _ in 0..2 {
        load.answers(ENOUGH);
        TRUTH.outage_begins();
        stack.kill("POSTGRES");
        thread::sleep(DEAD);
        load.answers(ENOUGH);
        let age = Stack::ask(&stack.front(), "/release.json").json()["changes"]["age_seconds"].as_f64();
        assert!(age > Some(1.0), "the knowledge of changes is {age:?} old");
        stack.up();
        TRUTH.outage_ends();
        load.answers(ENOUGH);
    }
    thread::sleep(DEAD);
    assert!(corrections.stop() > 0);
    load.tally().is_faultless();
    a_correction_is_seen_everywhere(&stack, 777, "After the outage");
}

#[test]
fn without_the_store_everybody_is_answered_and_a_publication_fails_and_is_made_up_for() {
    let mut stack = crate::stack::stack();
    let load = Load::start(&stack.front(), 4);
    let corrections = Corrections::start(stack.get("DATABASE_URL"));
    load.answers(ENOUGH);
    stack.kill("MINIO");
    load.answers(ENOUGH);
    let verify = stack.run("publish", &["verify"]);
    verify.failed(1, &["listing releases in the store"]);
    stack.up();
    stack.all_serve(stack.publish());
    load.answers(ENOUGH);
    assert!(corrections.stop() > 0);
    let tally = load.tally();
    tally.is_faultless();
    assert_eq!(tally.of("told to come back"), 0, "{tally:?}");
    let said = stack.run("publish", &["verify"]).succeeded();
    assert!(said.contains("is whole"), "{said}");
}

#[test]
fn a_release_published_under_load_is_switched_to_without_one_wrong_answer() {
    let stack = crate::stack::stack();
    let load = Load::start(&stack.front(), 4);
    let corrections = Corrections::start(stack.get("DATABASE_URL"));
    for _ in 0..3 {
        load.answers(ENOUGH);
        let next = stack.publish();
        within(Duration::from_secs(20), "the release is served", || (stack.release() >= next).then_some(()));
    }
    assert!(corrections.stop() > 0);
    load.tally().is_faultless();
}
