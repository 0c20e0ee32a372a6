//! What the component exports. The SDK's macros do the same without faults.

use std::cell::Cell;

use dedup_plugin::bindings::{key, scoring, types};
use dedup_plugin::export::{self, Slot};
use dedup_plugin::{KeyExtractor, SimilarityScorer};

use crate::config::{Config, Fault};
use crate::honest::{Extractor, INFO, Scorer};
use crate::memory::Memory;
use crate::{keys, scores, waste};

thread_local! {
    static EXTRACTOR: Slot<Extractor> = const { Slot::new() };
    static SCORER: Slot<Scorer> = const { Slot::new() };
    static MEMORY: Memory = Memory::default();
    static OTHER_VERSION: Cell<bool> = const { Cell::new(false) };
}

struct Exported;

fn describe() -> types::Info {
    let info = export::describe(INFO);
    let other = OTHER_VERSION.with(Cell::get);
    types::Info { version: if other { format!("{}+configured", info.version) } else { info.version }, ..info }
}

fn configured(config: &Config) {
    OTHER_VERSION.with(|other| other.set(config.is(Fault::OtherVersion)));
    if config.is(Fault::LargeMemory) {
        waste::memory(80 << 20);
    }
}

impl key::exports::dedup::plugin::key_extractor::Guest for Exported {
    fn describe() -> types::Info {
        describe()
    }

    fn configure(config: String) -> Result<types::Input, types::Failure> {
        let input = EXTRACTOR.with(|slot| slot.put(Extractor::configure(&config)))?;
        EXTRACTOR.with(|slot| slot.with(|extractor| configured(&extractor.config)))?;
        Ok(input)
    }

    fn extract(events: types::Batch) -> Result<types::Extraction, types::Failure> {
        EXTRACTOR.with(|slot| {
            slot.with(|extractor| {
                MEMORY.with(|memory| {
                    let events = keys::read(&extractor.config, memory, events);
                    keys::before(&extractor.config, memory, &events)?;
                    let mut answer = export::extract(extractor, &events);
                    keys::after(&extractor.config, memory, &events, &mut answer);
                    Ok(answer)
                })
            })?
        })
    }
}

impl scoring::exports::dedup::plugin::similarity_scorer::Guest for Exported {
    fn describe() -> types::Info {
        describe()
    }

    fn configure(config: String) -> Result<types::Input, types::Failure> {
        let input = SCORER.with(|slot| slot.put(Scorer::configure(&config)))?;
        SCORER.with(|slot| slot.with(|scorer| configured(&scorer.config)))?;
        Ok(input)
    }

    fn compare(pairs: types::Pairs) -> Result<types::Comparisons, types::Failure> {
        SCORER.with(|slot| {
            slot.with(|scorer| {
                scores::before(&scorer.config, &pairs);
                let mut answer = export::compare(scorer, &pairs);
                MEMORY.with(|memory| scores::after(&scorer.config, memory, &pairs, &mut answer));
                answer
            })
        })
    }
}

key::export_key!(Exported with_types_in dedup_plugin::bindings::key);
scoring::export_scoring!(Exported with_types_in dedup_plugin::bindings::scoring);
