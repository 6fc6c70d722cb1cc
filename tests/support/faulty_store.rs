#![allow(dead_code, unused_imports, reason = "each test program uses its own part of this")]

// Said here, because this file is a module of tests in two packages.
#[path = "fault.rs"]
mod fault;

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    StreamExt, stream,
    stream::{BoxStream, once},
};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    path::Path,
};

pub(crate) use fault::{Blur, Done, Fault};

/// A store in which the next writes go wrong as they are told to, and those after them go well; or in which one read
/// does.
#[derive(Debug, Clone)]
pub(crate) struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    faults: VecDeque<Option<Fault>>,
    blur: Option<Blur>,
    late: Vec<(Path, Write)>,
    at_the_end: Vec<(Path, Write)>,
    misread: Option<Path>,
    done: Done,
    deaf: bool,
}

#[derive(Debug, Clone)]
enum Write {
    Put(PutPayload, PutMode),
    Delete,
}

impl FaultyStore {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, faults: impl IntoIterator<Item = Fault>) -> Arc<Self> {
        Self::with(inner, State { faults: faults.into_iter().map(Some).collect(), ..State::default() })
    }

    /// A store in which one write goes wrong, after so many that go well.
    pub(crate) fn after(inner: Arc<dyn ObjectStore>, good: usize, fault: Fault) -> Arc<Self> {
        let faults = std::iter::repeat_n(None, good).chain([Some(fault)]).collect();
        Self::with(inner, State { faults, ..State::default() })
    }

    /// A store that is seen through this.
    pub(crate) fn through(inner: Arc<dyn ObjectStore>, blur: Blur) -> Arc<Self> {
        Self::with(inner, State { blur: Some(blur), ..State::default() })
    }

    fn with(inner: Arc<dyn ObjectStore>, state: State) -> Arc<Self> {
        Arc::new(Self { inner, state: Arc::new(Mutex::new(state)) })
    }

    /// What it was asked for.
    pub(crate) fn done(&self) -> Done {
        self.state.lock().unwrap().done
    }

    /// How many writes there were.
    pub(crate) fn writes(&self) -> usize {
        self.done().writes
    }

    /// From here on nothing can be read.
    pub(crate) fn go_deaf(&self) {
        self.state.lock().unwrap().deaf = true;
    }

    /// Now everything is written that was late. Whether anything was.
    pub(crate) async fn settle(&self) -> bool {
        let late: Vec<_> = {
            let mut state = self.state.lock().unwrap();
            let late = std::mem::take(&mut state.late);
            late.into_iter().chain(std::mem::take(&mut state.at_the_end)).collect()
        };
        let any = !late.is_empty();
        self.write_late(late).await;
        any
    }

    async fn write_late(&self, late: impl IntoIterator<Item = (Path, Write)>) {
        for (path, write) in late {
            // Nobody hears whether somebody else was there first.
            let _unheard = self.write(&path, write).await;
        }
    }

    async fn write(&self, path: &Path, write: Write) -> Result<Option<PutResult>> {
        match write {
            Write::Delete => self.inner.delete(path).await.map(|()| None),
            Write::Put(payload, mode) => {
                let options = PutOptions { mode, ..PutOptions::default() };
                self.inner.put_opts(path, payload, options).await.map(Some)
            }
        }
    }

    /// A write as the faults have it. A deletion brings nothing.
    async fn faulty(&self, path: &Path, write: Write) -> Result<Option<PutResult>> {
        let (fault, late) = {
            let mut state = self.state.lock().unwrap();
            state.done.writes += 1;
            (state.faults.pop_front().flatten(), std::mem::take(&mut state.late))
        };
        self.write_late(late).await;
        let Some(fault) = fault else { return self.write(path, write).await };
        let instead = |bytes: Bytes| match &write {
            Write::Put(_, mode) => Write::Put(bytes.into(), mode.clone()),
            Write::Delete => Write::Delete,
        };
        match fault {
            Fault::Fails => Err(timed_out()),
            Fault::FailsSlowly => {
                tokio::time::sleep(Duration::from_secs(30)).await;
                Err(timed_out())
            }
            Fault::FailsAfterPersisting => {
                self.write(path, write).await?;
                Err(timed_out())
            }
            Fault::FailsSlowlyAfterPersisting => {
                self.write(path, write).await?;
                tokio::time::sleep(Duration::from_secs(30)).await;
                Err(timed_out())
            }
            Fault::PersistsLater => {
                self.state.lock().unwrap().late.push((path.clone(), write));
                Err(timed_out())
            }
            Fault::PersistsAtTheEnd => {
                self.state.lock().unwrap().at_the_end.push((path.clone(), write));
                Err(timed_out())
            }
            Fault::IsSlow => {
                tokio::time::sleep(Duration::from_secs(5)).await;
                self.write(path, write).await
            }
            Fault::IsMisread => {
                self.state.lock().unwrap().misread = Some(path.clone());
                self.write(path, write).await
            }
            Fault::IsRetriedBelow => {
                self.write(path, write.clone()).await?;
                self.write(path, write).await
            }
            Fault::IgnoresTheCondition => match write {
                Write::Put(payload, _) => self.write(path, Write::Put(payload, PutMode::Overwrite)).await,
                Write::Delete => self.write(path, write).await,
            },
            Fault::FailsThePrecondition => match self.write(path, write).await {
                Err(Error::AlreadyExists { path, source }) => Err(Error::Precondition { path, source }),
                answer => answer,
            },
            Fault::Rival(bytes) => {
                self.write(path, instead(bytes)).await?;
                Err(timed_out())
            }
            Fault::Garbles(bytes) => self.write(path, instead(bytes)).await,
        }
    }

    /// Whether this read fails, or goes wrong.
    fn read(&self, path: &Path) -> Result<bool> {
        let mut state = self.state.lock().unwrap();
        let number = state.done.reads;
        state.done.reads += 1;
        if state.deaf || matches!(state.blur, Some(Blur::Fails(fails)) if fails == number) {
            return Err(timed_out());
        }
        let misread = state.misread.take_if(|misread| misread == path);
        Ok(misread.is_some() || matches!(state.blur, Some(Blur::Misreads(misreads)) if misreads == number))
    }
}

fn timed_out() -> Error {
    Error::Generic { store: "faulty", source: "the request timed out".into() }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let put = self.faulty(path, Write::Put(payload, options.mode)).await?;
        Ok(put.unwrap())
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let misread = self.read(path)?;
        let head = options.head;
        let mut found = self.inner.get_opts(path, options).await?;
        if misread && !head {
            let (meta, range, attributes) =
                (found.meta.clone(), found.range.clone(), found.attributes.clone());
            let extensions = found.extensions.clone();
            let mut bytes = found.bytes().await?.to_vec();
            bytes[0] ^= 1;
            let payload = GetResultPayload::Stream(once(async move { Ok(bytes.into()) }).boxed());
            found = GetResult { payload, meta, range, attributes, extensions };
        }
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
        let store = self.clone();
        let deleted = paths.then(move |path| {
            let store = store.clone();
            async move {
                let path = path?;
                store.faulty(&path, Write::Delete).await?;
                Ok(path)
            }
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let mut state = self.state.lock().unwrap();
        let number = state.done.lists;
        state.done.lists += 1;
        match &state.blur {
            Some(Blur::DoesNotList(fails)) if *fails == number => stream::iter([Err(timed_out())]).boxed(),
            Some(Blur::Lags(lags, shown)) if lags.is_none_or(|lags| lags == number) => {
                let below =
                    |object: &&ObjectMeta| prefix.is_none_or(|prefix| object.location.prefix_matches(prefix));
                let shown: Vec<_> = shown.iter().filter(below).cloned().map(Ok).collect();
                stream::iter(shown).boxed()
            }
            _ => self.inner.list(prefix),
        }
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
