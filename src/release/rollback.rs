use super::{Commit, Manifest, ReleaseError, ReleaseNumber, ReleaseStore, embargo::hour_of};

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
            match self.read_to_repeat(number, &current).await {
                Ok(None) => return Ok(None),
                Ok(Some(manifest)) => {
                    if self.commit(&manifest).await? == Commit::Won {
                        return Ok(Some(manifest));
                    }
                }
                // A collector may have taken it away while it was read; then that is what there is to say.
                Err(error) => {
                    if self.is_current(&current).await? {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// The release on top of `current` that repeats an older one, of which everything is there; `None` where it would
    /// show the same.
    async fn read_to_repeat(
        &self,
        number: ReleaseNumber,
        current: &Manifest,
    ) -> Result<Option<Manifest>, ReleaseError> {
        let old = self.manifest(number).await?.ok_or(ReleaseError::Absent(number))?;
        if old.shows_what_is_in(current) {
            return Ok(None);
        }
        self.verify(number).await?;
        let kept = self.kept_of(&old.source.data_set, current).await?;
        let not_before = hour_of(&kept, &old.source.data_set).unwrap_or(old.not_before);
        Ok(Some(old.repeated(current, not_before)))
    }
}
