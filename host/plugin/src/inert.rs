//! A WASI behind which there is nothing: no files, no network, no arguments, clocks that stand still, random numbers that
//! are the same in every instance, and an output that ends in the plugin's log. No call of it waits for anything, because
//! the deadline of a call does not pass while the host works for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::cli::{stderr, stdout};
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::p2::{DynOutputStream, DynPollable, OutputStream, Pollable, StreamResult, subscribe};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, async_trait};

use crate::limits::Exceeded;
use crate::log::Log;

/// The time it always is: the first second of 2024, UTC.
const NOW_SECONDS: u64 = 1_704_067_200;
/// What the other clock always shows. Above 0, because programs take differences.
const NOW_NANOS: u64 = 1_000_000_000;
/// Streams, and other things that the host holds for an instance. CPython holds a dozen.
const RESOURCES_MAX: usize = 10_000;
/// Random bytes of one call.
const RANDOM_BYTES_MAX: u64 = 1 << 20;
/// What may be printed in one go.
const PRINT_BYTES_MAX: usize = 64 << 10;

/// What one instance has of WASI.
pub(crate) struct Inert {
    ctx: WasiCtx,
    table: ResourceTable,
    noise: Noise,
    out: Printed,
    err: Printed,
}

impl Inert {
    /// Of each of its two outputs, so many bytes of a call are kept.
    pub(crate) fn new(printed_bytes_max: usize) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        let mut ctx = WasiCtx::builder();
        ctx.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        let printed = || Printed(Arc::new(Mutex::new(Text { kept: Vec::new(), cut: 0, bytes_max: printed_bytes_max })));
        Self { ctx: ctx.build(), table, noise: Noise(0), out: printed(), err: printed() }
    }

    /// Takes what was printed since the last time to the log. The last line of the standard error output are the
    /// plugin's last words, if it says no others.
    pub(crate) fn drain(&mut self, log: &mut Log) {
        self.out.drain(2, log);
        if let Some(line) = self.err.drain(3, log) {
            log.end_with(&line);
        }
    }

    /// As wasmtime looks at it.
    pub(crate) fn view(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }

    /// Something to wait for that is always there.
    fn at_once(&mut self) -> wasmtime::Result<Resource<DynPollable>> {
        let now = self.table.push(Now)?;
        subscribe(&mut self.table, now)
    }
}

/// Puts it into a linker: wasmtime's, but for all that could tell two runs apart or wait. `inert` is where a guest has it.
pub(crate) fn add_to_linker<T: WasiView>(
    linker: &mut Linker<T>,
    inert: fn(&mut T) -> &mut Inert,
) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    linker.allow_shadowing(true);
    wall_clock::add_to_linker::<_, HasSelf<Inert>>(linker, inert)?;
    monotonic_clock::add_to_linker::<_, HasSelf<Inert>>(linker, inert)?;
    random::add_to_linker::<_, HasSelf<Inert>>(linker, inert)?;
    insecure::add_to_linker::<_, HasSelf<Inert>>(linker, inert)?;
    insecure_seed::add_to_linker::<_, HasSelf<Inert>>(linker, inert)?;
    stdout::add_to_linker::<_, HasSelf<Inert>>(linker, inert)?;
    stderr::add_to_linker::<_, HasSelf<Inert>>(linker, inert)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl wall_clock::Host for Inert {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: NOW_SECONDS, nanoseconds: 0 })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1 })
    }
}

/// Whoever sleeps wakes at once.
impl monotonic_clock::Host for Inert {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(NOW_NANOS)
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, _when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.at_once()
    }

    fn subscribe_duration(&mut self, _duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.at_once()
    }
}

impl random::Host for Inert {
    fn get_random_bytes(&mut self, bytes: u64) -> wasmtime::Result<Vec<u8>> {
        self.noise.bytes(bytes)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.noise.next())
    }
}

impl insecure::Host for Inert {
    fn get_insecure_random_bytes(&mut self, bytes: u64) -> wasmtime::Result<Vec<u8>> {
        self.noise.bytes(bytes)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.noise.next())
    }
}

impl insecure_seed::Host for Inert {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.noise.next(), self.noise.next()))
    }
}

impl stdout::Host for Inert {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        Ok(self.table.push(Box::new(self.out.clone()) as DynOutputStream)?)
    }
}

impl stderr::Host for Inert {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        Ok(self.table.push(Box::new(self.err.clone()) as DynOutputStream)?)
    }
}

struct Now;

#[async_trait]
impl Pollable for Now {
    async fn ready(&mut self) {}
}

/// Numbers that look random and are always the same: SplitMix64 (Steele, Lea, Flood 2014).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        if count > RANDOM_BYTES_MAX {
            let words = format!("it asked for {count} random bytes at once, and the limit is {RANDOM_BYTES_MAX}");
            return Err(Exceeded(words).into());
        }
        let words = count.div_ceil(8);
        let mut bytes: Vec<u8> = (0..words).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        Ok(bytes)
    }
}

/// An output that is always ready.
#[derive(Clone)]
struct Printed(Arc<Mutex<Text>>);

struct Text {
    kept: Vec<u8>,
    /// Bytes that are not kept.
    cut: usize,
    bytes_max: usize,
}

impl Printed {
    fn text(&self) -> MutexGuard<'_, Text> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes all lines to the log, and gives the last that is not empty.
    fn drain(&self, level: u8, log: &mut Log) -> Option<String> {
        let mut text = self.text();
        log.cut(std::mem::take(&mut text.cut));
        if text.kept.is_empty() {
            return None;
        }
        let kept = std::mem::take(&mut text.kept);
        let kept = String::from_utf8_lossy(&kept);
        let lines = kept.lines().filter(|line| !line.trim().is_empty());
        lines.inspect(|line| log.line(level, line)).last().map(str::to_owned)
    }
}

#[async_trait]
impl Pollable for Printed {
    async fn ready(&mut self) {}
}

impl OutputStream for Printed {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut text = self.text();
        let kept = bytes.len().min(text.bytes_max.saturating_sub(text.kept.len()));
        text.kept.extend_from_slice(bytes.get(..kept).unwrap_or_default());
        text.cut = text.cut.saturating_add(bytes.len() - kept);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PRINT_BYTES_MAX)
    }
}
