//! Stores that do not honour conditions are found out, and answers that are lost do no harm.

use super::faulty::{Faulty, Plan};
use super::*;
use std::fmt;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::path::Path as ObjectPath;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMode, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result as ObjectResult,
};

/// Overwrites, whatever is asked for.
#[derive(Debug)]
struct Careless {
    inner: Arc<InMemory>,
    heeds_create: bool,
}

impl fmt::Display for Careless {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Careless")
    }
}

#[async_trait]
impl ObjectStore for Careless {
    async fn put_opts(
        &self,
        location: &ObjectPath,
        payload: PutPayload,
        options: PutOptions,
    ) -> ObjectResult<PutResult> {
        let mode =
            if self.heeds_create && options.mode == PutMode::Create { PutMode::Create } else { PutMode::Overwrite };
        self.inner.put_opts(location, payload, PutOptions { mode, ..options }).await
    }

    async fn put_multipart_opts(
        &self,
        location: &ObjectPath,
        options: PutMultipartOptions,
    ) -> ObjectResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &ObjectPath, options: GetOptions) -> ObjectResult<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, ObjectResult<ObjectPath>>,
    ) -> BoxStream<'static, ObjectResult<ObjectPath>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&ObjectPath>) -> BoxStream<'static, ObjectResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&ObjectPath>) -> ObjectResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &ObjectPath, to: &ObjectPath, options: CopyOptions) -> ObjectResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[test]
fn a_store_that_ignores_conditions_is_refused() {
    for (heeds_create, what) in [(false, "created over another"), (true, "replaced that had changed")] {
        let store = Careless { inner: Arc::new(InMemory::new()), heeds_create };
        let depot = over(Arc::new(store), limits());
        refused(depot.check(&control()), &["conditional writes", what, "or a directory"]);
    }
    in_memory().1.check(&control()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    in_directory(dir.path()).check(&control()).unwrap();
}

#[test]
fn a_fit_store_is_not_refused_for_an_answer_that_was_changed() {
    let mut well = 0;
    for seed in 0..200 {
        let (memory, _) = in_memory();
        let faulty = Faulty::new(&memory, Plan { dice: Dice::new(seed), failing: 10, ..Plan::sound() });
        let depot = over(Arc::new(faulty), Limits { timeout: Duration::from_millis(5), attempts: 1, ..limits() });
        match depot.check(&control()) {
            Ok(()) => well += 1,
            Err(error) => assert!(error.is_temporary(), "seed {seed}: {error}"),
        }
    }
    assert!(well > 20, "{well}");
}

#[test]
fn answers_that_are_lost_give_an_epoch_once() {
    for seed in 0..50 {
        let (memory, sound) = in_memory();
        let faulty = Faulty::new(&memory, Plan { dice: Dice::new(seed), failing: 30, ..Plan::sound() });
        let depot = over(Arc::new(faulty), Limits { timeout: Duration::from_millis(5), ..limits() });
        let mut given = 0;
        for _ in 0..8 {
            if let Ok(epoch) = depot.claim(&place(), 0, &control()) {
                assert!(epoch > given, "seed {seed}: {epoch} after {given}");
                given = epoch;
            }
        }
        assert!(sound.claim(&place(), 0, &control()).unwrap() > given);
    }
}
