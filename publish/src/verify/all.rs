//! Every release that is kept, and what is left of those that are not.

use std::iter;

use anyhow::bail;
use futures::{StreamExt, stream};
use results_day::{
    release::{ReleaseError, ReleaseNumber, ReleaseStore},
    source::Source,
};

use super::verify_release;

/// Manifests and tombstones read at once, of releases that are not kept.
const AT_ONCE: usize = 8;

/// Verifies the releases from the oldest that is kept to the current one, each on its own. A line for each goes to
/// standard output, and before them what became of those that are not kept any more.
pub(super) async fn verify_all(store: &ReleaseStore, source: Option<&dyn Source>) -> anyhow::Result<String> {
    let current = store.current().await?.ok_or(ReleaseError::Absent(ReleaseNumber::FIRST))?;
    let (oldest, newest) = (current.oldest, current.number);
    let lost = say_what_is_left(store, oldest).await?;
    let (mut whole, mut all, mut incomparable) = (0_u64, 0_u64, 0_u64);
    for number in numbers(oldest, newest.next()) {
        match verify_release(number, store, source).await {
            Ok((verdict, compared)) => {
                whole += 1;
                incomparable += u64::from(!compared);
                println!("{verdict}");
            }
            // A store that is away says nothing about its releases.
            Err(error) if error.downcast_ref().is_some_and(ReleaseError::is_unanswered) => {
                return Err(error);
            }
            Err(_) if store.current().await?.is_some_and(|current| current.oldest > number) => {
                println!("release {number}: given up to collection meanwhile");
                continue;
            }
            Err(error) => println!("{error:#}"),
        }
        all += 1;
    }
    let mut verdict =
        format!("of the releases {oldest} to {newest} that are kept, {whole} of {all} are whole");
    if incomparable > 0 {
        verdict += &format!(", {incomparable} of which cannot be compared with the database");
    }
    match lost {
        0 if whole == all => Ok(verdict),
        0 => bail!(verdict),
        lost => bail!("{verdict}; of those before them, {lost} left no tombstone"),
    }
}

/// What became of a release that is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// A tombstone, as it should be.
    Tombstone,
    /// Its manifest: whoever collects it has not come to it yet.
    Manifest,
    /// Something that is neither.
    Nonsense,
    /// Nothing: the number could be given to another release.
    Nothing,
}

/// Says of each release before `oldest` what is left of it, one line for several that are alike. How many left neither a
/// manifest nor a tombstone.
async fn say_what_is_left(store: &ReleaseStore, oldest: ReleaseNumber) -> Result<u64, ReleaseError> {
    let mut lost = 0;
    let mut alike: Option<(Left, ReleaseNumber, ReleaseNumber)> = None;
    let mut read = stream::iter(numbers(ReleaseNumber::FIRST, oldest))
        .map(async |number| (number, store.manifest(number).await))
        .buffered(AT_ONCE);
    while let Some((number, found)) = read.next().await {
        let left = match found {
            Err(ReleaseError::Collected { .. }) => Left::Tombstone,
            Ok(Some(_)) => Left::Manifest,
            Ok(None) => Left::Nothing,
            Err(ReleaseError::Manifest { .. } | ReleaseError::Different { .. }) => Left::Nonsense,
            Err(error) => return Err(error),
        };
        lost += u64::from(matches!(left, Left::Nonsense | Left::Nothing));
        alike = match alike {
            Some((before, first, _)) if before == left => Some((left, first, number)),
            ended => {
                ended.into_iter().for_each(say);
                Some((left, number, number))
            }
        };
    }
    alike.into_iter().for_each(say);
    Ok(lost)
}

fn say((left, first, last): (Left, ReleaseNumber, ReleaseNumber)) {
    let left = match left {
        Left::Tombstone => "collected: only the number is left",
        Left::Manifest => "no longer kept, and not collected yet",
        Left::Nonsense => "no longer kept, and what is left is neither a manifest nor a tombstone",
        Left::Nothing => "no longer kept, and without a tombstone: the number is free again",
    };
    if first == last {
        println!("release {first}: {left}");
    } else {
        println!("releases {first} to {last}: {left}");
    }
}

/// The numbers from `first`, up to and without `end`.
fn numbers(first: ReleaseNumber, end: ReleaseNumber) -> impl Iterator<Item = ReleaseNumber> {
    iter::successors(Some(first), |number| Some(number.next())).take_while(move |number| *number < end)
}
