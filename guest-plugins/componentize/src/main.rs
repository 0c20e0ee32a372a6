//! `componentize CORE.wasm OUT.wasm`: turns a core wasm module, as a compiler makes it, into a component, as dedup-host
//! loads it. Not a compiler, and no adapter: a module that imports WASI is refused.

use std::panic::catch_unwind;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use wit_component::ComponentEncoder;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [core, out] = arguments.as_slice() else {
        eprintln!("usage: componentize CORE.wasm OUT.wasm");
        return ExitCode::from(2);
    };
    match componentize(Path::new(core), Path::new(out)) {
        Ok(bytes) => {
            println!("{out}: a component of {bytes} bytes");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("componentize: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn componentize(core: &Path, out: &Path) -> anyhow::Result<usize> {
    let cannot_read = || format!("cannot read {}", core.display());
    if !std::fs::metadata(core).with_context(cannot_read)?.is_file() {
        bail!("{} is no regular file", core.display());
    }
    let module = std::fs::read(core).with_context(cannot_read)?;
    match module.get(..8) {
        Some(b"\0asm\x01\0\0\0") => {}
        Some([b'\0', b'a', b's', b'm', _, _, 1, 0]) => {
            bail!("{} is a component already: use it as it is", core.display())
        }
        _ => bail!("{} is no wasm module: build with --target wasm32-unknown-unknown", core.display()),
    }
    let component = encode(&module).with_context(|| {
        format!("cannot make a component of {} (it must export the functions of a world of wit/)", core.display())
    })?;
    std::fs::write(out, &component).with_context(|| format!("cannot write {}", out.display()))?;
    Ok(component.len())
}

/// The encoder takes a module for one that a compiler made, and panics at some that none did.
fn encode(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    std::panic::set_hook(Box::new(|_| {}));
    let encoded = catch_unwind(|| ComponentEncoder::default().validate(true).module(module)?.encode());
    let _ = std::panic::take_hook();
    encoded.unwrap_or_else(|_| Err(anyhow!("it is no module as compilers make them: the encoder gave up")))
}
