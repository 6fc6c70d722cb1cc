//! Every panel of every dashboard, in the Prometheus that watches the real stack at work.

use std::time::Duration;

use crate::{
    dashboards::panels,
    load::{Corrections, Load},
    prometheus::{everything_is_scraped, news_within, values, watched_stack},
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
    for panel in panels() {
        for expression in &panel.expressions {
            let what = format!("{} has data: {expression}", panel.place);
            // Nobody was answered from everywhere, so of some percentiles there are none.
            let some = || values(&stack, expression).iter().any(|value| value.is_finite()).then_some(());
            news_within(Duration::from_secs(60), &what, some);
        }
    }
    assert!(corrections.stop() > 0);
    load.tally();
}
