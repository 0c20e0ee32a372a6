//! What belongs to one instance on the host's side. Not the instance, and not what it is called with.

use wasmtime_wasi::{WasiCtxView, WasiView};

use crate::inert::Inert;
use crate::limits::{Gauge, Limits};
use crate::log::Log;

/// The log of an instance, what it uses of memory, and its WASI.
pub(crate) struct Guest {
    pub(crate) log: Log,
    pub(crate) gauge: Gauge,
    /// Made when it is first asked for, which is never unless [`crate::Wasi::Inert`] is linked.
    inert: Option<Box<Inert>>,
}

impl Guest {
    pub(crate) fn new(log: Log, limits: Limits) -> Self {
        Self { log, gauge: Gauge::new(limits), inert: None }
    }

    pub(crate) fn inert(&mut self) -> &mut Inert {
        let printed_bytes_max = self.gauge.limits().log_bytes_per_call_max;
        self.inert.get_or_insert_with(|| Box::new(Inert::new(printed_bytes_max)))
    }

    /// A call has ended: what it printed goes to the log.
    pub(crate) fn end_call(&mut self) {
        if let Some(inert) = &mut self.inert {
            inert.drain(&mut self.log);
        }
        self.log.end_call();
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.inert().view()
    }
}
