use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};
use results_day::release::Manifest;

/// A store that lets everybody wait, before it does something and after, for as long as a seed says; and that
/// remembers what was committed.
#[derive(Debug, Clone)]
pub(crate) struct DelayingStore {
    inner: Arc<dyn ObjectStore>,
    random: Arc<Mutex<Random>>,
    committed: Arc<Mutex<BTreeMap<u64, Manifest>>>,
}

/// SplitMix64.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ bits >> 31) % bound
    }
}

impl DelayingStore {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, seed: u64) -> Arc<Self> {
        let random = Arc::new(Mutex::new(Random(seed)));
        Arc::new(Self { inner, random, committed: Arc::default() })
    }

    /// Every release that was ever committed, the collected ones too.
    pub(crate) fn committed(&self) -> BTreeMap<u64, Manifest> {
        self.committed.lock().unwrap().clone()
    }

    /// Mostly a moment, and now and then long enough for a rival to do all of its work.
    async fn pause(&self) {
        let pause = {
            let mut random = self.random.lock().unwrap();
            let most = if random.below(20) == 0 { 2_000 } else { 20 };
            random.below(most)
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

#[async_trait]
impl ObjectStore for DelayingStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let creates = matches!(options.mode, PutMode::Create);
        let bytes = bytes::Bytes::from(payload.clone());
        self.pause().await;
        let put = self.inner.put_opts(path, payload, options).await?;
        if creates && let Some(name) = path.as_ref().strip_prefix("releases/") {
            let number: u64 = name.strip_suffix(".json").unwrap().parse().unwrap();
            let manifest = Manifest::from_json(number.to_string().parse().unwrap(), &bytes).unwrap();
            let before = self.committed.lock().unwrap().insert(number, manifest);
            assert_eq!(before, None, "release {number} was committed twice");
        }
        self.pause().await;
        Ok(put)
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.pause().await;
        self.inner.get_opts(path, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let deleted = paths.then(move |path| {
            let store = store.clone();
            async move {
                let path = path?;
                store.pause().await;
                store.inner.delete(&path).await?;
                Ok(path)
            }
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix) = (self.clone(), prefix.cloned());
        let listed = async move {
            let listed: Vec<_> = store.inner.list(prefix.as_ref()).collect().await;
            // What is told is not new any more.
            store.pause().await;
            futures::stream::iter(listed)
        };
        futures::stream::once(listed).flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for DelayingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "delaying {}", self.inner)
    }
}
