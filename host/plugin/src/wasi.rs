//! What a component gets that was built with WASI. Not a way out of the sandbox: there are no files, no network, no clock
//! and no randomness behind it.

/// What a component gets that imports WASI.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Wasi {
    /// Nothing: it is refused.
    #[default]
    None,
    /// It may load; whatever it calls of WASI is a trap.
    Stub,
    /// A WASI without files, network, arguments and variables, whose clocks stand still and whose random numbers are the
    /// same in every instance. What it prints goes to the log.
    Inert,
}
