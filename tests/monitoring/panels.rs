//! Every panel of every dashboard, in the Prometheus that watches the real stack at work.

use std::time::Duration;

use crate::{
    dashboards::panels,
    load::{Corrections, Load},
    prometheus::{everything_is_scraped, values, watched_stack},
    system::within,
};

#[test]
fn every_panel_shows_something_while_the_stack_is_at_work() {
    let stack = watched_stack();
    everything_is_scraped(&stack);
    let load = Load::start(&stack.front(), 4);
    let corrections = Corrections::start(stack.get("DATABASE_URL"));
    load.answers(1_000);
    stack.publish();
    stack.run("publish", &["verify"]).succeeded();
    stack.run("publish", &["collect"]).succeeded();
    let empty = |expression: &&String| !values(&stack, expression).iter().any(|value| value.is_finite());
    for panel in panels() {
        for expression in &panel.expressions {
            let what = format!("{} has data: {expression}", panel.place);
            within(Duration::from_secs(60), &what, || {
                if empty(&expression) {
                    std::thread::sleep(Duration::from_millis(500));
                    None
                } else {
                    Some(())
                }
            });
        }
    }
    assert!(corrections.stop() > 0);
    load.tally();
}
