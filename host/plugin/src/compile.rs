//! From the bytes of a component to machine code: bounds first, then the compiler, in a process of its own where there can
//! be one (see [`crate::confined`]). What the code depends on is said here; where it is kept, in `cache`.

use std::process::ExitCode;

use wasmparser::{Validator, WasmFeatures};
use wasmtime::component::Component;
use wasmtime::{CodeBuilder, Config, Engine};

use crate::bounds;
use crate::confined::{self, Bounds, NoResult, Refusal, Timed, Work, confined_and_timed};
use crate::limits::Limits;

/// The work of the process that compiles.
const WORK: Work = Work { name: "compile", run: work };

/// Kinds of a refusal.
const INVALID: u8 = 0;
const TOO_COMPLEX: u8 = 1;
const NOT_SUPPORTED: u8 = 2;

/// To be called first by a program that loads plugins, or has `works` done in separate processes. In the process that was
/// started to compile, or for one of the works, it does that and returns the exit code.
#[must_use]
pub fn serve(works: &[Work]) -> Option<ExitCode> {
    confined::serve(&[works, &[WORK]].concat())
}

/// What the code of a component depends on, beside the component.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Whether what it executes is counted.
    pub(crate) fuel: bool,
    pub(crate) stack_bytes_max: usize,
}

/// Why a component is not compiled, in words.
#[derive(Debug)]
pub(crate) enum Uncompiled {
    /// It is broken.
    Invalid(String),
    /// It has more of something than it may have.
    TooComplex(String),
    /// It uses these features, which are off.
    NotSupported(String),
    /// The compiler did not come to an end.
    GaveUp(NoResult),
}

impl Settings {
    /// What every plugin runs under. Whatever could make two runs differ is off: relaxed SIMD and the bits of NaN here, and
    /// threads by a feature of wasmtime that is not compiled in.
    pub(crate) fn engine(self) -> wasmtime::Result<Engine> {
        let mut config = Config::new();
        config
            .concurrency_support(false)
            .epoch_interruption(true)
            .consume_fuel(self.fuel)
            .cranelift_nan_canonicalization(true)
            .wasm_relaxed_simd(false)
            .wasm_memory64(false)
            .max_wasm_stack(self.stack_bytes_max);
        Engine::new(&config)
    }

    fn to_words(self) -> [String; 2] {
        [self.fuel.to_string(), self.stack_bytes_max.to_string()]
    }

    fn of_words(words: &[String]) -> Option<Self> {
        let [fuel, stack_bytes_max] = words else { return None };
        Some(Self { fuel: fuel.parse().ok()?, stack_bytes_max: stack_bytes_max.parse().ok()? })
    }
}

/// Compiles a component to what [`load`] takes, and says what that took; `steps_back`: behind all else on the machine.
pub(crate) fn compile(
    bytes: &[u8],
    settings: Settings,
    limits: &Limits,
    steps_back: bool,
) -> Result<Timed, Uncompiled> {
    let (memory_bytes_max, time_max) = (limits.compile_memory_bytes_max, limits.compile_time_max);
    let bounds = Bounds { memory_bytes_max, time_max, steps_back };
    confined_and_timed(&WORK, &settings.to_words(), bytes, bounds).map_err(|error| match error {
        NoResult::Refused(Refusal { kind: TOO_COMPLEX, words }) => Uncompiled::TooComplex(words),
        NoResult::Refused(Refusal { kind: NOT_SUPPORTED, words }) => Uncompiled::NotSupported(words),
        NoResult::Refused(Refusal { words, .. }) => Uncompiled::Invalid(words),
        NoResult::Memory(_) | NoResult::Time(_) | NoResult::Died(_) | NoResult::NoProcess(_) => {
            Uncompiled::GaveUp(error)
        }
    })
}

/// Makes a component of what [`compile`] gave for such an engine, or of what the cache kept of it. `None`: it is for
/// another engine, or damaged.
#[expect(unsafe_code, reason = "compiled code can only be taken on trust: see who calls this")]
pub(crate) fn load(engine: &Engine, compiled: &[u8]) -> Option<Component> {
    // SAFETY: the bytes have to be what wasmtime's compiler gave. They are in memory, which no change of a file reaches,
    // and come from one of two places. Either from this very program, in this process or over a pipe from the one that it
    // started as its child, whole, as their length was checked, and with nobody between. Or from the cache, which vouches
    // for where they were.
    unsafe { Component::deserialize(engine, compiled) }.ok()
}

fn work(arguments: &[String], bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let refused = |kind: u8| move |words: String| Refusal { kind, words };
    let settings = Settings::of_words(arguments).ok_or_else(|| Refusal::of("unexpected arguments for the compiler"))?;
    bounds::check(bytes).map_err(refused(TOO_COMPLEX))?;
    let compiled = settings
        .engine()
        .and_then(|engine| CodeBuilder::new(&engine).wasm_binary(bytes, None)?.compile_component_serialized());
    compiled.map_err(|error| match features_off(bytes) {
        features if features.is_empty() => Refusal { kind: INVALID, words: format!("{error:#}") },
        features => Refusal { kind: NOT_SUPPORTED, words: features.join(", ") },
    })
}

/// What is on in every engine here: what wasmtime has on by itself, but for what it is told and how it is built.
const FEATURES_ON: WasmFeatures = WasmFeatures::WASM3
    .union(WasmFeatures::COMPONENT_MODEL)
    .difference(WasmFeatures::GC_TYPES)
    .difference(WasmFeatures::EXCEPTIONS)
    .difference(WasmFeatures::THREADS)
    .difference(WasmFeatures::RELAXED_SIMD)
    .difference(WasmFeatures::MEMORY64);

/// The features that a component needs and that are off. None where it is broken, whatever is on.
fn features_off(bytes: &[u8]) -> Vec<String> {
    let is_valid_with = |features: WasmFeatures| Validator::new_with_features(features).validate_all(bytes).is_ok();
    if is_valid_with(FEATURES_ON) || !is_valid_with(WasmFeatures::all()) {
        return Vec::new();
    }
    let off = WasmFeatures::all().difference(FEATURES_ON).iter_names();
    let needed = off.filter(|(_, feature)| !is_valid_with(WasmFeatures::all().difference(*feature)));
    // Types of the garbage collector are a feature to the validator alone.
    let needed = needed.map(|(name, _)| name.trim_end_matches("_TYPES").to_ascii_lowercase().replace('_', "-"));
    let needed: Vec<String> = needed.collect();
    if needed.is_empty() { vec!["a feature of wasm that is off".to_owned()] } else { needed }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings { fuel: false, stack_bytes_max: 512 << 10 };

    fn refusal(text: &str) -> Uncompiled {
        compile(&wat::parse_str(text).unwrap(), SETTINGS, &Limits::default(), false).unwrap_err()
    }

    #[test]
    fn features_that_are_off_are_named() {
        for (feature, module) in [
            ("threads", "(memory 1 1 shared)"),
            ("threads", "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))"),
            ("memory64", "(memory i64 1)"),
            ("gc", "(type (struct (field i32)))"),
            ("exceptions", "(tag) (func (throw 0))"),
            (
                "relaxed-simd",
                "(func (param v128 v128 v128) (result v128)
                (i32x4.relaxed_laneselect (local.get 0) (local.get 1) (local.get 2)))",
            ),
            ("wide-arithmetic", "(func (param i64 i64) (result i64 i64) (i64.mul_wide_u (local.get 0) (local.get 1)))"),
            ("custom-page-sizes", "(memory 1 (pagesize 1))"),
            ("stack-switching", "(type $f (func)) (type $c (cont $f)) (func (drop (cont.new $c (ref.null $f))))"),
        ] {
            match refusal(&format!("(component (core module {module}))")) {
                Uncompiled::NotSupported(features) => {
                    assert!(features.split(", ").any(|one| one == feature), "{feature}: {features}");
                }
                other @ (Uncompiled::Invalid(_) | Uncompiled::TooComplex(_) | Uncompiled::GaveUp(_)) => {
                    panic!("{feature}: {other:?}");
                }
            }
        }
    }

    #[test]
    fn features_that_are_on_are_compiled() {
        let module = "(memory 1) (memory 1) (global i32 (i32.add (i32.const 1) (i32.const 2)))
            (func $f (param v128) (result i32 i32) (return_call $f (local.get 0)))
            (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))";
        let bytes = wat::parse_str(format!("(component (core module {module}))")).unwrap();
        let compiled = compile(&bytes, SETTINGS, &Limits::default(), false).unwrap().result;
        assert!(load(&SETTINGS.engine().unwrap(), &compiled).is_some());
        let other = Settings { fuel: true, ..SETTINGS };
        assert!(load(&other.engine().unwrap(), &compiled).is_none(), "code of another engine");
        assert!(load(&SETTINGS.engine().unwrap(), &bytes).is_none(), "a component is no code");
    }

    #[test]
    fn what_is_broken_is_not_called_a_feature() {
        let whole = wat::parse_str("(component (core module (func (result i32) (i32.const 1))))").unwrap();
        for bytes in [&whole[..whole.len() - 3], b"\0asm\x0d\0\x01\0\xff"] {
            assert!(matches!(compile(bytes, SETTINGS, &Limits::default(), false), Err(Uncompiled::Invalid(_))));
        }
        let wrong = refusal("(component (core module (func (result i32) (i64.const 1))))");
        assert!(matches!(wrong, Uncompiled::Invalid(_)), "{wrong:?}");
    }

    #[test]
    fn settings_cross_as_words() {
        for settings in [SETTINGS, Settings { fuel: true, stack_bytes_max: 1 }] {
            assert_eq!(Settings::of_words(&settings.to_words()).map(Settings::to_words), Some(settings.to_words()));
        }
        assert!(Settings::of_words(&["true".to_owned()]).is_none());
    }
}
