//! What a component gets that was built with WASI. Not a way out of the sandbox: there are no files, no network, no clock
//! and no randomness behind it.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};
use wasmtime::error::Context;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, IoError};

use crate::guest::Guest;
use crate::inert;

/// What a component gets that imports WASI.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Wasi {
    /// Nothing: it is refused.
    #[default]
    None,
    /// It may load; whatever it calls of WASI is a trap.
    Stub,
    /// A WASI without files, network, arguments and variables, whose clocks stand still and whose random numbers are the
    /// same in every instance. What it prints goes to the log. What WASI 0.2 does not have, like HTTP, is a trap. Not to
    /// be called from a worker of an async runtime, which may not be blocked.
    Inert,
}

/// The packages of WASI that are there when it is inert.
const INERT: [&str; 6] = ["cli/", "clocks/", "filesystem/", "io/", "random/", "sockets/"];

/// A component called a function of WASI behind which there is nothing.
#[derive(Debug, thiserror::Error)]
#[error("it called {function}, which nothing implements here; build the plugin without it, or see --plugin-wasi")]
pub(crate) struct NothingThere {
    function: String,
}

/// Whether an import is of WASI.
pub(crate) fn is_wasi(import: &str) -> bool {
    import.starts_with("wasi:")
}

impl Wasi {
    /// Puts what every component gets behind WASI into a linker.
    pub(crate) fn add_to_linker(self, linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
        match self {
            Self::None | Self::Stub => Ok(()),
            Self::Inert => inert::add_to_linker(linker, Guest::inert),
        }
    }

    /// The linker for one component, whose imports of WASI that are nowhere else are traps. Its other imports are not
    /// looked at.
    pub(crate) fn linker_of(self, component: &Component, linker: &Linker<Guest>) -> wasmtime::Result<Linker<Guest>> {
        let mut linker = linker.clone();
        let (ty, engine) = (component.component_type(), component.engine());
        for (name, item) in ty.imports(engine).filter(|(name, _)| is_wasi(name) && !self.provides(name)) {
            let instance = match item.ty {
                ComponentItem::ComponentInstance(instance) => instance,
                ComponentItem::Type(_) => continue,
                ComponentItem::ComponentFunc(_)
                | ComponentItem::CoreFunc(_)
                | ComponentItem::Module(_)
                | ComponentItem::Component(_)
                | ComponentItem::Resource(_) => {
                    wasmtime::bail!("{name} is not an interface, and nothing can stand in for it")
                }
            };
            let mut stub = linker.instance(name)?;
            for (export, item) in instance.exports(engine) {
                nothing_behind(&mut stub, name, export, &item.ty).with_context(|| format!("{name}#{export}"))?;
            }
        }
        Ok(linker)
    }

    fn provides(self, import: &str) -> bool {
        let Some(interface) = import.strip_prefix("wasi:").filter(|interface| interface.contains("@0.2.")) else {
            return false;
        };
        self == Self::Inert && INERT.iter().any(|package| interface.starts_with(package))
    }
}

/// Puts a trap for a function, and a type that has no values for a resource.
fn nothing_behind(
    stub: &mut LinkerInstance<'_, Guest>,
    interface: &str,
    name: &str,
    item: &ComponentItem,
) -> wasmtime::Result<()> {
    match item {
        ComponentItem::ComponentFunc(_) => {
            let function = format!("{interface}#{name}");
            stub.func_new(name, move |_, _, _, _| Err(NothingThere { function: function.clone() }.into()))
        }
        ComponentItem::Resource(_) => stub.resource(name, resource(name), |_, _| Ok(())),
        ComponentItem::Type(_) => Ok(()),
        ComponentItem::CoreFunc(_)
        | ComponentItem::Module(_)
        | ComponentItem::Component(_)
        | ComponentItem::ComponentInstance(_) => {
            wasmtime::bail!("it is neither a function nor a type, and nothing can stand in for it")
        }
    }
}

/// Interfaces speak of streams and of what can be waited for as those of `wasi:io`, by these names.
fn resource(name: &str) -> ResourceType {
    match name {
        "input-stream" => ResourceType::host::<DynInputStream>(),
        "output-stream" => ResourceType::host::<DynOutputStream>(),
        "pollable" => ResourceType::host::<DynPollable>(),
        "error" | "io-error" => ResourceType::host::<IoError>(),
        _ => ResourceType::host::<()>(),
    }
}
