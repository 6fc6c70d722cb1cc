use async_trait::async_trait;

use super::{Origin, SnapshotReader, SourceError};

/// A database of which programs on several machines can read one snapshot: [`Source::shared`] gives it.
///
/// [`Source::shared`]: super::Source::shared
#[async_trait]
pub trait SharedSnapshots: Send + Sync {
    /// Makes sure that there is such a database, and that it answers.
    async fn reach(&self) -> Result<(), SourceError>;

    /// Takes a snapshot as [`Source::snapshot`](super::Source::snapshot) does, for others to read from.
    async fn export(&self) -> Result<Box<dyn ExportedSnapshot>, SourceError>;

    /// Opens the snapshot of `origin`, which was exported under this name. It lasts until the reader is dropped, whatever
    /// becomes of whoever exported it. `None` where nobody holds it any more, or this is another database.
    async fn import(
        &self,
        exported: &str,
        origin: &Origin,
    ) -> Result<Option<Box<dyn SnapshotReader>>, SourceError>;

    /// Whether whoever exported it still holds it.
    async fn is_held(&self, exported: &str) -> Result<bool, SourceError>;
}

/// A snapshot that others can open for as long as this is not dropped, the process lives and its connection holds.
#[async_trait]
pub trait ExportedSnapshot: SnapshotReader {
    /// The name under which others open it.
    fn name(&self) -> &str;

    /// Makes sure that it is still held, and keeps it. To be called about once a second: a holder that is not heard of
    /// for a minute, because the machine is frozen or cut off, loses it, and stands in nobody's way. An error means that
    /// it is lost, or is to be given up: somebody waits to have a table alone, and nobody else can open it meanwhile.
    async fn hold(&mut self) -> Result<(), SourceError>;
}
