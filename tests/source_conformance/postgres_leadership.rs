//! PostgreSQL: the lead is a session's, and ends with it, whatever the session dies of.

use std::time::{Duration, Instant};

use results_day::source::SourceError;

use crate::{
    Database,
    leadership::{MOMENT, lead_within},
    postgres::PostgresDatabase,
};

/// The sessions that hold an advisory lock in this database.
const LEADERS: &str = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted \
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[tokio::test(flavor = "multi_thread")]
async fn each_database_of_a_cluster_has_a_leader_of_its_own() {
    let [one, other] = [PostgresDatabase::new(), PostgresDatabase::new()];
    let _leads_one = one.source().lead().await.unwrap().unwrap();
    let _leads_other = other.source().lead().await.unwrap().unwrap();
    assert!(one.source().lead().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_session_is_ended_learns_it_and_another_one_leads() {
    let database = PostgresDatabase::new();
    let (source, other) = (database.source(), database.source());
    let mut leadership = source.lead().await.unwrap().unwrap();
    assert!(other.lead().await.unwrap().is_none());
    database.edit(&format!("SELECT pg_terminate_backend(pid) FROM ({LEADERS}) AS leaders")).await;
    let mut next = lead_within(MOMENT, &*other).await;
    let lost = leadership.hold().await.unwrap_err();
    assert!(matches!(lost, SourceError::Unavailable(_)), "{lost}");
    // It is lost for good; to have it again is to ask again.
    leadership.hold().await.unwrap_err();
    next.hold().await.unwrap();
    drop(next);
    lead_within(MOMENT, &*source).await.hold().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_who_is_not_heard_of_has_lost_the_lead_within_seconds() {
    let database = PostgresDatabase::new();
    let (source, other) = (database.source(), database.source());
    let mut frozen = source.lead().await.unwrap().unwrap();
    frozen.hold().await.unwrap();
    let heard = Instant::now();
    let mut next = lead_within(Duration::from_secs(20), &*other).await;
    let waited = heard.elapsed();
    assert!((Duration::from_secs(8)..Duration::from_secs(14)).contains(&waited), "{waited:?}");
    frozen.hold().await.unwrap_err();
    next.hold().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stands_by_keeps_one_session_and_no_more() {
    let database = PostgresDatabase::new();
    let _leads = database.source().lead().await.unwrap().unwrap();
    let mut observer = database.corrector().await;
    let standing_by = database.source();
    for _ in 0..20 {
        assert!(standing_by.lead().await.unwrap().is_none());
    }
    let sessions = "SELECT count(*) FROM pg_stat_activity \
                    WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert_eq!(observer.ask(sessions).await, "2");
}
