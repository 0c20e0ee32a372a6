//! Bindings generated from `wit/`, all of them. They end here: no other crate sees a generated type.
#![allow(missing_docs, unreachable_pub, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "dedup-plugin",
    ownership: Borrowing { duplicate_if_necessary: true },
});

pub(crate) use dedup::plugin::{log, types};
pub(crate) use exports::dedup::plugin::{key_extractor, similarity_scorer};
