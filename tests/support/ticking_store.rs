#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};

/// A store in memory whose clock is the test's: each write comes a second after the one before it. Stores tell the
/// time of an object to the second, and a test writes thousands in one. What is not there cannot be deleted, as in a
/// directory.
#[derive(Debug, Clone)]
pub(crate) struct TickingStore {
    inner: Arc<InMemory>,
    clock: Arc<Mutex<Clock>>,
}

#[derive(Debug, Clone, Default)]
struct Clock {
    now: u64,
    written: HashMap<Path, u64>,
}

/// All of the store's past lies before the test's start by the clock of the machine.
const PAST: u64 = 1 << 30;

impl TickingStore {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { inner: Arc::default(), clock: Arc::default() })
    }

    /// A store that starts with what this one has now.
    pub(crate) fn fork(&self) -> Arc<Self> {
        let clock = self.clock.lock().unwrap().clone();
        Arc::new(Self { inner: Arc::new(self.inner.fork()), clock: Arc::new(Mutex::new(clock)) })
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, span: Duration) {
        self.clock.lock().unwrap().now += span.as_secs();
    }

    /// Everything that it lists, in order.
    pub(crate) async fn objects(&self) -> Vec<ObjectMeta> {
        let mut objects: Vec<_> = self.list(None).try_collect().await.unwrap();
        objects.sort_by(|a, b| a.location.cmp(&b.location));
        objects
    }
}

impl Clock {
    fn tick(&mut self, path: &Path) {
        self.now += 1;
        self.written.insert(path.clone(), self.now);
    }

    fn set(&self, object: &mut ObjectMeta) {
        let written = self.written.get(&object.location).copied().unwrap_or_default();
        // The time in the machine's clock is different for each object; its seconds are not to matter.
        let whole = Duration::from_secs(object.last_modified.timestamp().unsigned_abs());
        object.last_modified -= whole;
        object.last_modified += Duration::from_secs(PAST + written);
    }
}

#[async_trait]
impl ObjectStore for TickingStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        // What is visible has its time.
        let mut clock = self.clock.lock().unwrap();
        let put = futures::FutureExt::now_or_never(self.inner.put_opts(path, payload, options)).unwrap()?;
        clock.tick(path);
        Ok(put)
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let mut found = self.inner.get_opts(path, options).await?;
        self.clock.lock().unwrap().set(&mut found.meta);
        Ok(found)
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let inner = self.inner.clone();
        let deleted = paths.then(move |path| {
            let inner = inner.clone();
            async move {
                let path = path?;
                inner.head(&path).await?;
                inner.delete(&path).await?;
                Ok(path)
            }
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let clock = self.clock.clone();
        let set = move |mut object| {
            clock.lock().unwrap().set(&mut object);
            object
        };
        self.inner.list(prefix).map_ok(set).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for TickingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ticking {}", self.inner)
    }
}
