use super::{Commit, Manifest, ReleaseError, ReleaseNumber, ReleaseStore};

impl ReleaseStore {
    /// Commits a release that names the shards of an older one again, after reading all of them. `None` where the
    /// current release shows the same already.
    ///
    /// Whoever loses the race for the next number looks again: what was kept may be given up now.
    pub async fn roll_back(&self, number: ReleaseNumber) -> Result<Option<Manifest>, ReleaseError> {
        loop {
            let current = self.current().await?.ok_or(ReleaseError::Absent(number))?;
            if number < current.oldest {
                return Err(ReleaseError::GivenUp { number, oldest: current.oldest });
            }
            let old = self.manifest(number).await?.ok_or(ReleaseError::Absent(number))?;
            if old.shows_what_is_in(&current) {
                return Ok(None);
            }
            self.verify(number).await?;
            let manifest = old.repeated(&current);
            if self.commit(&manifest).await? == Commit::Won {
                return Ok(Some(manifest));
            }
        }
    }
}
