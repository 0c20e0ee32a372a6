//! A store that fails as a seed says: errors, answers that never come, answers lost after the deed, refusals without a reason,
//! answers cut short or changed, and death between any two requests.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::Dice;

/// How a store fails.
pub(crate) struct Plan {
    pub(crate) dice: Dice,
    /// Of 100 requests so many fail.
    pub(crate) failing: u64,
    /// Requests until the process is dead; the last one is done, and not answered, where `dies_after`.
    pub(crate) lives_for: Option<u64>,
    pub(crate) dies_after: bool,
    /// Everything takes so long.
    pub(crate) delay: Duration,
}

impl Plan {
    pub(crate) fn sound() -> Self {
        Self { dice: Dice::new(0), failing: 0, lives_for: None, dies_after: false, delay: Duration::ZERO }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Well,
    Fails,
    /// It is done, and the answer is an error.
    LostAfter,
    Hangs,
    HangsAfter,
    /// Conditional writes are refused, as on a conflict; others fail.
    Refused,
    Short,
    Changed,
    Dead,
    DeadAfter,
}

struct State {
    plan: Plan,
    /// Names of objects that were written, in order.
    written: Vec<String>,
    requests: u64,
}

/// A store in memory that others may share, seen through one connection that fails.
#[derive(Clone)]
pub(crate) struct Faulty {
    inner: Arc<InMemory>,
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for Faulty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Faulty")
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Faulty")
    }
}

impl Faulty {
    pub(crate) fn new(inner: &Arc<InMemory>, plan: Plan) -> Self {
        let state = State { plan, written: Vec::new(), requests: 0 };
        Self { inner: Arc::clone(inner), state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn written(&self) -> Vec<String> {
        self.state.lock().unwrap().written.clone()
    }

    pub(crate) fn requests(&self) -> u64 {
        self.state.lock().unwrap().requests
    }

    fn fate(&self) -> (Fate, Duration) {
        let mut state = self.state.lock().unwrap();
        state.requests += 1;
        let requests = state.requests;
        let plan = &mut state.plan;
        if let Some(lives_for) = plan.lives_for {
            if requests == lives_for && plan.dies_after {
                return (Fate::DeadAfter, plan.delay);
            }
            if requests >= lives_for {
                return (Fate::Dead, Duration::ZERO);
            }
        }
        if plan.dice.below(100) >= plan.failing {
            return (Fate::Well, plan.delay);
        }
        let fates = [
            Fate::Fails,
            Fate::Fails,
            Fate::LostAfter,
            Fate::LostAfter,
            Fate::Hangs,
            Fate::HangsAfter,
            Fate::Refused,
            Fate::Short,
            Fate::Changed,
        ];
        let at = plan.dice.below(u64::try_from(fates.len()).unwrap());
        (fates[usize::try_from(at).unwrap()], plan.delay)
    }

    /// What comes of a request that is given as a future.
    async fn meet<T>(
        &self,
        path: &Path,
        mode: Option<&PutMode>,
        request: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let (fate, delay) = self.fate();
        tokio::time::sleep(delay).await;
        match fate {
            Fate::Well | Fate::Short | Fate::Changed => request.await,
            Fate::Fails => Err(broken()),
            Fate::LostAfter => request.await.and_then(|_| Err(broken())),
            Fate::Hangs => hang().await,
            Fate::HangsAfter => {
                let _ = request.await;
                hang().await
            }
            Fate::Refused => Err(match mode {
                Some(PutMode::Create) => Error::AlreadyExists { path: path.to_string(), source: "409".into() },
                Some(PutMode::Update(_)) => Error::Precondition { path: path.to_string(), source: "409".into() },
                Some(PutMode::Overwrite) | None => broken(),
            }),
            Fate::Dead => Err(dead()),
            Fate::DeadAfter => request.await.and_then(|_| Err(dead())),
        }
    }
}

fn broken() -> Error {
    Error::Generic { store: "faulty", source: "connection reset".into() }
}

/// The process is no more: it asks nothing again.
fn dead() -> Error {
    Error::PermissionDenied { path: "dead".into(), source: "dead".into() }
}

async fn hang<T>() -> Result<T> {
    std::future::pending().await
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let mode = options.mode.clone();
        let put = async {
            self.state.lock().unwrap().written.push(location.to_string());
            self.inner.put_opts(location, payload, options).await
        };
        self.meet(location, Some(&mode), put).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.meet(location, None, self.inner.put_multipart_opts(location, options)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let is_head = options.head;
        let fate = {
            // Peeked at by hand, as the answer itself is changed.
            let mut state = self.state.lock().unwrap();
            let failing = state.plan.failing;
            let dice = &mut state.plan.dice;
            if dice.below(200) < failing {
                [Fate::Short, Fate::Changed][usize::try_from(dice.below(2)).unwrap()]
            } else {
                Fate::Well
            }
        };
        let answer = self.meet(location, None, self.inner.get_opts(location, options)).await?;
        if is_head || fate == Fate::Well {
            return Ok(answer);
        }
        let (meta, range, attributes, extensions) =
            (answer.meta.clone(), answer.range.clone(), answer.attributes.clone(), answer.extensions.clone());
        let mut bytes = answer.bytes().await?.to_vec();
        if fate == Fate::Short {
            bytes.truncate(bytes.len() / 2);
        } else {
            let at = self.state.lock().unwrap().plan.dice.next();
            let at = usize::try_from(at).unwrap() % bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 4;
            }
        }
        let bytes = Bytes::from(bytes);
        let payload = GetResultPayload::Stream(stream::once(async { Ok(bytes) }).boxed());
        Ok(GetResult { payload, meta, range, attributes, extensions })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let delete = move |location: Result<Path>| {
            let store = store.clone();
            async move {
                let location = location?;
                let one = stream::once(std::future::ready(Ok(location.clone()))).boxed();
                let mut deleted = store.inner.delete_stream(one);
                let request = async { deleted.next().await.unwrap() };
                store.meet(&location, None, request).await
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix) = (self.clone(), prefix.cloned().unwrap_or_default());
        let listed = async move {
            let request = async { Ok(store.inner.list(Some(&prefix)).collect::<Vec<_>>().await) };
            match store.meet(&prefix, None, request).await {
                Ok(found) => found,
                Err(error) => vec![Err(error)],
            }
        };
        stream::once(listed).flat_map(stream::iter).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.meet(&Path::default(), None, self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unimplemented!("nothing is copied")
    }
}
