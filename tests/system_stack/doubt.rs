//! A database that answers and does not log its changes is worse than none: it is not believed.

use crate::{
    stack::Stack,
    system::{eventually, within},
};
use std::time::Duration;

/// What every replica says of this student, once all say so.
fn everywhere(stack: &Stack, id: u32, name: &str, cache_status: &str) {
    for replica in stack.replicas() {
        eventually(&format!("{name} is shown by {replica} as {cache_status}"), || {
            let answer = Stack::ask(&replica, &format!("/student/{id}.json"));
            (answer.status == 200
                && answer.json()["name"] == name
                && answer.header("cache-status").is_some_and(|said| said.starts_with(cache_status)))
            .then_some(())
        });
    }
}

fn everybody_is_live(stack: &Stack, live: bool) {
    for replica in stack.replicas() {
        eventually("the replica says who is answered live", || {
            (Stack::ask(&replica, "/release.json").json()["changes"]["everybody"] == live).then_some(())
        });
    }
}

#[test]
fn changes_that_are_not_logged_are_shown_all_the_same_until_the_database_vouches_for_its_log_again() {
    let stack = crate::stack::stack();
    // The second time is like the first: what was vouched for once is not vouched for again.
    for _ in 0..2 {
        is_doubted_and_vouched_for(&stack);
    }
}

fn is_doubted_and_vouched_for(stack: &Stack) {
    let correct = |name: &str| stack.sql(&format!("UPDATE students SET name = '{name}' WHERE id = 6543"));
    correct("Logged");
    let release = stack.publish();
    stack.all_serve(release);
    everywhere(stack, 6_543, "Logged", "results-day;hit");

    stack.sql("ALTER TABLE students DISABLE TRIGGER students_update_logged");
    everybody_is_live(stack, true);
    correct("Not logged");
    everywhere(stack, 6_543, "Not logged", "results-day;fwd=stale;detail=database");
    let publish = stack.run("publish", &[]);
    publish.failed(1, &["has a trigger students_update_logged that is off", "call log_changes('{0}')"]);

    // The trigger is back, and what happened meanwhile is in no log.
    stack.sql("ALTER TABLE students ENABLE ALWAYS TRIGGER students_update_logged");
    // A correction that is logged again tells when the database is heard again.
    stack.sql("UPDATE students SET name = 'Logged again' WHERE id = 6544");
    for replica in stack.replicas() {
        within(Duration::from_secs(10), "the database is heard again", || {
            let changes = Stack::ask(&replica, "/release.json").json()["changes"].clone();
            (changes["since_release"] == 1).then_some(())
        });
    }
    everywhere(stack, 6_543, "Not logged", "results-day;fwd=stale;detail=database");
    everybody_is_live(stack, true);

    stack.sql("SELECT log_changes('{0}')");
    let release = stack.publish();
    stack.all_serve(release);
    everybody_is_live(stack, false);
    everywhere(stack, 6_543, "Not logged", "results-day;hit");
}
