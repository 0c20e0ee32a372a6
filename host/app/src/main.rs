//! The binary: reads the settings, does what they ask for, and tells the shell how it went. Everything else is in the
//! library.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "people are told by `terminal`, which escapes")]

use std::process::ExitCode as ProcessExit;

use dedup_host::exit::ExitCode;
use dedup_host::settings::{self, Invocation};
use dedup_host::{custody, generate, logging, plugin_commands, run, verify};
use drive::Stop;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

fn main() -> ProcessExit {
    // Where this is the process that reads and compiles what others made, nothing else is looked at.
    if let Some(ended) = plugin::serve(&workbench::plugins::WORKS) {
        return ended;
    }
    terminal::report_panics();
    match settings::from_process() {
        Ok(invocation) => start(invocation),
        Err(error) => error.report().into(),
    }
}

fn start(invocation: Invocation) -> ProcessExit {
    let code = match invocation {
        Invocation::Show(text) => match terminal::answer(&text) {
            Ok(()) => ExitCode::Ok,
            Err(error) => fail(&format!("cannot write to standard output: {error}"), ExitCode::Output),
        },
        // Nothing of it has to be drained: a signal ends it at once.
        Invocation::Plugin(command) => return plugin_commands::run(&command),
        Invocation::Checkpoint(request) => custody::checkpoints(*request),
        Invocation::Store(request) => custody::store(&request),
        Invocation::Verify(config) => match verify::run(*config) {
            Ok(code) => code,
            Err(error) => fail(&error.to_string(), ExitCode::Unverified),
        },
        Invocation::Generate(config) => until_stopped(|stop| match generate::run(*config, stop) {
            Ok(()) => ExitCode::Ok,
            Err(error) => fail(&error.to_string(), ExitCode::from(&error)),
        }),
        Invocation::Run(config) => until_stopped(|stop| {
            if let Err(error) = logging::start(&logging::of_run(&config.log, &config.mode)) {
                return fail(&error.to_string(), ExitCode::Usage);
            }
            match run::run(*config, stop) {
                Ok(code) => code,
                Err(error) => fail(&error.to_string(), error.exit_code()),
            }
        }),
    };
    code.into()
}

fn until_stopped(work: impl FnOnce(&Stop) -> ExitCode) -> ExitCode {
    let stop = Stop::default();
    match listen(&stop) {
        Ok(()) => work(&stop),
        Err(error) => fail(&format!("cannot handle signals: {error}"), ExitCode::Internal),
    }
}

/// The first signal asks for an orderly end, the second ends the process at once.
fn listen(stop: &Stop) -> std::io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, ExitCode::Killed.code().into(), stop.flag())?;
        flag::register(signal, stop.flag())?;
    }
    Ok(())
}

fn fail(message: &str, code: ExitCode) -> ExitCode {
    terminal::error(message);
    code
}
