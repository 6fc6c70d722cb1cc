use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::ReleaseError;

/// How often something is asked of a store before its failure is ours.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

/// What failed sooner than this failed on the way, and is worth asking for again.
pub(super) const BLIP: Duration = Duration::from_secs(1);

/// Asks again where an answer was cut off, or garbled on the way; the client below us does not. A store that let us wait
/// for longer than `patience` was asked for long enough: by then it was asked below us, too.
pub(super) async fn retried<T, Asked>(
    patience: Duration,
    mut ask: impl FnMut() -> Asked,
) -> Result<T, ReleaseError>
where
    Asked: Future<Output = Result<T, ReleaseError>>,
{
    let started = Instant::now();
    for _try in 1..TRIES {
        match ask().await {
            Err(error) if error.may_pass() && started.elapsed() < patience => sleep(PAUSE).await,
            answer => return answer,
        }
    }
    ask().await
}
