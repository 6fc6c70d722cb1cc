use bytes::Bytes;
use object_store::ObjectMeta;

/// What happens to one write: a put or a deletion.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Nothing is written, and the answer is an error.
    Fails,
    /// Nothing is written, and the answer is an error after half a minute.
    FailsSlowly,
    /// It is written, and the answer is an error all the same.
    FailsAfterPersisting,
    /// It is written, and the answer is an error after half a minute.
    FailsSlowlyAfterPersisting,
    /// The answer is an error, and it is written just before the next write.
    PersistsLater,
    /// The answer is an error, and it is written when `FaultyStore::settle` is called.
    PersistsAtTheEnd,
    /// It is written, and the answer comes after five seconds.
    IsSlow,
    /// It is written, and read wrong the next time.
    IsMisread,
    /// It is written, repeated below the caller, and the answer is that of the repeated put.
    IsRetriedBelow,
    /// It is written whether or not something is there.
    IgnoresTheCondition,
    /// Where something is there, the answer is that a precondition failed, and not that it already exists.
    FailsThePrecondition,
    /// Something else is written, and the answer is an error.
    Rival(Bytes),
    /// Something else is written, and the answer is that all is well.
    Garbles(Bytes),
}

/// What happens to one read, or to one listing.
#[derive(Debug, Clone)]
pub(crate) enum Blur {
    /// The answer to this read is an error.
    Fails(usize),
    /// This read brings other bytes: the first one is flipped.
    Misreads(usize),
    /// The answer to this listing is an error.
    DoesNotList(usize),
    /// This listing, or every one, shows what was there at another time.
    Lags(Option<usize>, Vec<ObjectMeta>),
}

/// What has been asked of a store.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Done {
    /// Puts and deletions.
    pub(crate) writes: usize,
    /// Objects read, and heads of objects.
    pub(crate) reads: usize,
    /// Listings.
    pub(crate) lists: usize,
}
