#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};

/// What happens to one put.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Nothing is written, and the answer is an error.
    Fails,
    /// Nothing is written, and the answer is an error after half a minute.
    FailsSlowly,
    /// It is written, and the answer is an error all the same.
    FailsAfterPersisting,
    /// The answer is an error, and it is written just before the next put.
    PersistsLater,
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

/// A store in which the next puts go wrong as they are told to; those after them go well.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    faults: VecDeque<Fault>,
    late: Option<(Path, PutPayload)>,
    puts: usize,
    deaf: bool,
}

impl FaultyStore {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, faults: impl IntoIterator<Item = Fault>) -> Arc<Self> {
        let state = State { faults: faults.into_iter().collect(), ..State::default() };
        Arc::new(Self { inner, state: Mutex::new(state) })
    }

    /// How many puts there were.
    pub(crate) fn puts(&self) -> usize {
        self.state.lock().unwrap().puts
    }

    /// From here on nothing can be read.
    pub(crate) fn go_deaf(&self) {
        self.state.lock().unwrap().deaf = true;
    }

    async fn write(&self, path: &Path, payload: PutPayload, mode: PutMode) -> Result<PutResult> {
        self.inner.put_opts(path, payload, PutOptions { mode, ..PutOptions::default() }).await
    }
}

fn timed_out() -> Error {
    Error::Generic { store: "faulty", source: "the request timed out".into() }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let (fault, late) = {
            let mut state = self.state.lock().unwrap();
            state.puts += 1;
            (state.faults.pop_front(), state.late.take())
        };
        if let Some((path, payload)) = late {
            self.write(&path, payload, PutMode::Create).await?;
        }
        let Some(fault) = fault else { return self.write(path, payload, options.mode).await };
        match fault {
            Fault::Fails => Err(timed_out()),
            Fault::FailsSlowly => {
                tokio::time::sleep(std::time::Duration::from_secs(30)).await;
                Err(timed_out())
            }
            Fault::FailsAfterPersisting => {
                self.write(path, payload, options.mode).await?;
                Err(timed_out())
            }
            Fault::PersistsLater => {
                self.state.lock().unwrap().late = Some((path.clone(), payload));
                Err(timed_out())
            }
            Fault::IsRetriedBelow => {
                self.write(path, payload.clone(), options.mode.clone()).await?;
                self.write(path, payload, options.mode).await
            }
            Fault::IgnoresTheCondition => self.write(path, payload, PutMode::Overwrite).await,
            Fault::FailsThePrecondition => match self.write(path, payload, options.mode).await {
                Err(Error::AlreadyExists { path, source }) => Err(Error::Precondition { path, source }),
                answer => answer,
            },
            Fault::Rival(bytes) => {
                self.write(path, bytes.into(), options.mode).await?;
                Err(timed_out())
            }
            Fault::Garbles(bytes) => self.write(path, bytes.into(), options.mode).await,
        }
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        if self.state.lock().unwrap().deaf {
            return Err(timed_out());
        }
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
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}
