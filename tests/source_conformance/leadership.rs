//! The lead: one of several programs has it, and the next one when that one is gone.

use std::time::{Duration, Instant};

use results_day::source::{Leadership, Source};

use crate::{Database, seeded};

/// Asks for the lead until it is there.
pub(crate) async fn lead_within(limit: Duration, source: &dyn Source) -> Box<dyn Leadership> {
    let started = Instant::now();
    loop {
        if let Some(leadership) = source.lead().await.unwrap() {
            return leadership;
        }
        assert!(started.elapsed() < limit, "somebody else leads after {limit:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A session ends a moment after its connection.
pub(crate) const MOMENT: Duration = Duration::from_secs(5);

pub(crate) async fn one_of_several_leads_and_another_when_that_one_is_gone(database: &dyn Database) {
    let sources = [seeded(database).await, database.source(), database.source()];
    let mut leadership = sources[0].lead().await.unwrap().unwrap();
    for _ in 0..3 {
        // Nor does the leader lead twice.
        for source in &sources {
            assert!(source.lead().await.unwrap().is_none());
        }
        leadership.hold().await.unwrap();
    }
    for source in [&sources[1], &sources[0], &sources[2], &sources[2]] {
        drop(leadership);
        leadership = lead_within(MOMENT, &**source).await;
        leadership.hold().await.unwrap();
        for other in &sources {
            assert!(other.lead().await.unwrap().is_none());
        }
    }
}

pub(crate) async fn of_many_who_ask_at_once_one_leads(database: &dyn Database) {
    let _seeded = seeded(database).await;
    let sources: Vec<_> = (0..8).map(|_| database.source()).collect();
    let asked = sources.iter().map(|source| source.lead());
    let answers = futures::future::join_all(asked).await;
    assert_eq!(answers.into_iter().filter(|answer| answer.as_ref().unwrap().is_some()).count(), 1);
}

pub(crate) async fn who_leads_stands_in_nobodys_way(database: &dyn Database) {
    let source = seeded(database).await;
    let mut leadership = source.lead().await.unwrap().unwrap();
    // Others publish, correct and are answered meanwhile.
    let other = database.source();
    let origin = other.snapshot().await.unwrap().origin().clone();
    database.edit("UPDATE students SET name = 'Corrected' WHERE id = 5").await;
    assert_eq!(crate::changed_since(&*other, &origin.snapshot).await, [5]);
    assert!(source.holds(&origin).await.unwrap());
    leadership.hold().await.unwrap();
}
