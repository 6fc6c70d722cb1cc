use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use super::{
    super::{ExportedSnapshot, Origin, SharedSnapshots, SnapshotReader, SourceError},
    PostgresSource,
    connect::Purpose,
    snapshot::PostgresSnapshot,
    transaction,
};

/// How long the database may take to say that a snapshot is held.
const PATIENCE: Duration = Duration::from_secs(5);

#[async_trait]
impl SharedSnapshots for PostgresSource {
    async fn reach(&self) -> Result<(), SourceError> {
        self.server.connect(Purpose::Bulk).await.map(drop)
    }

    async fn export(&self) -> Result<Box<dyn ExportedSnapshot>, SourceError> {
        Ok(Box::new(PostgresSnapshot::export(&self.server).await?))
    }

    async fn import(
        &self,
        exported: &str,
        origin: &Origin,
    ) -> Result<Option<Box<dyn SnapshotReader>>, SourceError> {
        let imported = PostgresSnapshot::import(&self.server, exported, origin).await?;
        Ok(imported.map(|snapshot| Box::new(snapshot) as Box<dyn SnapshotReader>))
    }

    async fn is_held(&self, exported: &str) -> Result<bool, SourceError> {
        let mut asked = self.server.connect(Purpose::Bulk).await?;
        let asking = async {
            sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut asked).await?;
            transaction::import(&mut asked, exported).await
        };
        timeout(PATIENCE, asking).await.map_err(late)?
    }
}

#[async_trait]
impl ExportedSnapshot for PostgresSnapshot {
    fn name(&self) -> &str {
        self.exported()
    }

    async fn hold(&mut self) -> Result<(), SourceError> {
        timeout(PATIENCE, self.keep()).await.map_err(late)?
    }
}

fn late(_: tokio::time::error::Elapsed) -> SourceError {
    SourceError::Unavailable(format!("no answer within {} s", PATIENCE.as_secs()))
}
