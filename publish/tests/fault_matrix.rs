//! Proves that a publication, a rollback and a collection are whole or not there, whatever the store does: each write
//! of each operation goes wrong in every way that there is, and each read and each listing.
//!
//! Whatever happened, every release that is kept is whole, the current one is the old or the new one, and the next
//! plain publication brings what the database has.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod exam;
    pub(crate) mod inspection;
    pub(crate) mod stage;
}
#[path = "../../tests/support/faulty_store.rs"]
mod faulty_store;
#[path = "../../tests/support/ticking_store.rs"]
mod ticking_store;

use faulty_store::{Blur, Fault, FaultyStore};
use support::stage::Stage;

#[tokio::test(start_paused = true)]
async fn each_write_may_go_wrong_in_every_way() {
    use Fault::*;
    let stage = Stage::set().await;
    for scene in &stage.scenes {
        let writes = stage.count(scene).await.writes;
        let mut failed = 0;
        for write in 0..writes {
            for fault in [
                Fails,
                FailsSlowly,
                FailsAfterPersisting,
                FailsSlowlyAfterPersisting,
                PersistsLater,
                PersistsAtTheEnd,
                IsSlow,
                IsMisread,
            ] {
                let what = format!("write {write} of {writes} {fault:?}");
                let is_slow = matches!(fault, IsSlow);
                let faulty = |below| FaultyStore::after(below, write, fault);
                let succeeded = stage.survives(scene, &what, faulty).await;
                assert!(succeeded || !is_slow, "{}, {what}: an answer that is late is an answer", scene.what);
                failed += usize::from(!succeeded);
            }
        }
        println!("{}: {writes} writes; {failed} of {} cases failed", scene.what, writes * 8);
    }
}

#[tokio::test(start_paused = true)]
async fn each_read_may_fail_or_bring_other_bytes() {
    let stage = Stage::set().await;
    for scene in &stage.scenes {
        let reads = stage.count(scene).await.reads;
        let mut failed = 0;
        for read in 0..reads {
            for blur in [Blur::Fails(read), Blur::Misreads(read)] {
                let what = format!("{blur:?} of {reads}");
                let faulty = |below| FaultyStore::through(below, blur);
                failed += usize::from(!stage.survives(scene, &what, faulty).await);
            }
        }
        println!("{}: {reads} reads; {failed} of {} cases failed", scene.what, reads * 2);
    }
}

#[tokio::test(start_paused = true)]
async fn each_listing_may_fail_or_show_what_was_there_at_another_time() {
    let stage = Stage::set().await;
    for scene in &stage.scenes {
        let lists = stage.count(scene).await.lists;
        for list in 0..lists {
            let what = format!("listing {list} of {lists} fails");
            stage.survives(scene, &what, |below| FaultyStore::through(below, Blur::DoesNotList(list))).await;
        }
        for (time, past) in scene.past.iter().enumerate() {
            for lagging in (0..lists).map(Some).chain([None]) {
                let what = format!("listing {lagging:?} of {lists} shows what was there at time {time}");
                let blur = Blur::Lags(lagging, past.clone());
                let faulty = |below| FaultyStore::through(below, blur);
                assert!(stage.survives(scene, &what, faulty).await, "{}, {what}: it failed", scene.what);
            }
        }
    }
}
