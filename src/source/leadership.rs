use async_trait::async_trait;

use super::SourceError;

/// The proof that this program, and none beside it, is the one that works for a database: [`Source::lead`] gives it.
///
/// It ends when it is dropped, and with the death of the process, whatever that dies of. Whoever holds it may have lost
/// it without knowing yet: two may believe for some seconds that they lead, so nothing that they do may rely on being
/// alone.
///
/// [`Source::lead`]: super::Source::lead
#[async_trait]
pub trait Leadership: Send {
    /// Makes sure that the lead is still ours, and keeps it. To be called about once a second: a leader who is not
    /// heard of for ten seconds, because the machine is frozen or cut off, has lost the lead. An error means that it is
    /// lost; to have it again, ask for it again.
    async fn hold(&mut self) -> Result<(), SourceError>;
}
