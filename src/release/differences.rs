/// Everything that is not as it should be: the first of it, and how much there is in all. Where every document of a
/// nation is wrong, nobody reads more than the beginning, and memory stays bounded.
#[derive(Debug)]
pub struct Differences<D> {
    first: Vec<D>,
    count: u64,
}

impl<D> Differences<D> {
    /// How many are kept.
    pub const KEPT: usize = 100;

    /// Notes one more.
    pub fn push(&mut self, difference: D) {
        if self.first.len() < Self::KEPT {
            self.first.push(difference);
        }
        self.count += 1;
    }

    /// Notes all of `others` behind those that are here.
    pub fn append<O: Into<D>>(&mut self, others: Differences<O>) {
        let room = Self::KEPT - self.first.len();
        self.first.extend(others.first.into_iter().take(room).map(Into::into));
        self.count += others.count;
    }

    /// The first of them, at most [`KEPT`](Self::KEPT).
    pub fn first(&self) -> &[D] {
        &self.first
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether everything is as it should be; the first difference where it is not.
    pub fn into_result(self) -> Result<(), D> {
        self.first.into_iter().next().map_or(Ok(()), Err)
    }
}

impl<D> Default for Differences<D> {
    fn default() -> Self {
        Self { first: Vec::new(), count: 0 }
    }
}

impl<D> Extend<D> for Differences<D> {
    fn extend<T: IntoIterator<Item = D>>(&mut self, differences: T) {
        for difference in differences {
            self.push(difference);
        }
    }
}
