//! `publish --watch`: follows the change log, and keeps what is published fresh by itself.
//!
//! Of several watchers of one database one works, and the others stand by to take over. That saves work and is no
//! safeguard: two that publish at once harm each other as little as two persons do.

mod flags;
mod follow;
mod schedule;
mod trouble;

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use jiff::Timestamp;
use results_day::{
    release::Bucket,
    source::{Leadership, Source, SourceError},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Mutex,
    task::JoinSet,
    time::sleep,
};

use crate::metrics::{Part, Record};
use follow::Follower;
use trouble::Trouble;

pub use flags::Flags;
pub use schedule::Patience;

/// How often whoever stands by asks for the lead, and whoever has it makes sure of it.
const INTERVAL: Duration = Duration::from_secs(1);

/// Watches until SIGTERM or SIGINT; whatever may heal is waited for. A publication that is under way then is given up:
/// it leaves the old release or the new one, as its death at any instant does.
///
/// `not_before` is the embargo of the first release of all; later ones inherit it. How it goes is kept in `record`.
pub async fn watch(
    source: Arc<dyn Source>,
    bucket: Bucket,
    patience: Patience,
    not_before: Option<Timestamp>,
    record: Arc<Record>,
) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    let follower = Follower::new(source.clone(), bucket, patience, not_before, record.clone())?;
    tokio::select! {
        () = stop => tracing::info!("stopped"),
        never = lead_again_and_again(&*source, follower, &record) => match never {},
    }
    Ok(())
}

/// The lead, as long as it is ours.
type Lead = Arc<Mutex<Box<dyn Leadership>>>;

async fn lead_again_and_again(
    source: &dyn Source,
    mut follower: Follower,
    record: &Arc<Record>,
) -> Infallible {
    let mut trouble = Trouble::none(record.clone());
    loop {
        let lead = Arc::new(Mutex::new(stand_by(source, &mut trouble, record).await));
        record.status.set_up(Part::Database, true);
        record.status.set_leading(true);
        tracing::info!("leading: following the changes");
        // A task of its own, so that the lead is kept while a publication is under way. It ends with this set.
        let mut holding = JoinSet::new();
        holding.spawn(hold(lead.clone()));
        let lost = tokio::select! {
            Some(lost) = holding.join_next() => lost.map_or_else(anyhow::Error::from, anyhow::Error::from),
            lost = follower.follow(&lead, &mut trouble) => lost.into(),
        };
        record.status.set_leading(false);
        record.work.saw(None);
        sleep(trouble.failed(&lost.context("the lead is lost"))).await;
    }
}

async fn stand_by(source: &dyn Source, trouble: &mut Trouble, record: &Record) -> Box<dyn Leadership> {
    let mut told = false;
    loop {
        record.status.moved();
        let pause = match source.lead().await {
            Ok(Some(leadership)) => return leadership,
            Ok(None) => {
                trouble.over();
                record.status.set_up(Part::Database, true);
                if !told {
                    tracing::info!("standing by: another watcher leads");
                    told = true;
                }
                INTERVAL
            }
            Err(error) => trouble.failed(&error.into()),
        };
        sleep(pause).await;
    }
}

/// Keeps the lead until it is lost.
async fn hold(lead: Lead) -> SourceError {
    loop {
        sleep(INTERVAL).await;
        if let Err(error) = lead.lock().await.hold().await {
            return error;
        }
    }
}

/// Waits for SIGTERM or SIGINT, both of which are caught from now on.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
