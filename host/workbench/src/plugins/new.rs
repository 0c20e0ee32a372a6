//! `dedup-host plugin new`: writes a project that is ready to build, with everything that it needs from this
//! repository: the SDK, the contract, golden cases. Not a builder: the project's own `build.sh` compiles it.

mod files;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use self::files::File;
use super::config::{Language, NewConfig, NewRole};
use super::ending::{Cause, CommandError, Ended};
use super::output::answer;

/// Names that a compiler would not take: keywords of Rust, its own crates, and the SDK's.
const RESERVED: &str = "abstract alloc as async await become box break const continue core crate dedup_plugin do dyn else \
    enum extern false final fn for gen if impl in let loop macro match mod move mut override priv proc_macro pub ref \
    return self static std struct super test trait true try type typeof unsafe unsized use virtual where while yield";

/// Why there is no project.
#[derive(Debug, Error)]
pub(super) enum NewError {
    #[error("\"{0}\" is a reserved word: choose another name, such as {0}_key")]
    Reserved(String),
    #[error("{} already exists, and nothing is overwritten: choose another name, or move it away", .0.display())]
    Exists(PathBuf),
    #[error("cannot write {}: {cause}", .path.display())]
    Write { path: PathBuf, cause: io::Error },
}

impl From<NewError> for CommandError {
    fn from(error: NewError) -> Self {
        let code = match error {
            NewError::Reserved(_) | NewError::Exists(_) => Cause::Usage,
            NewError::Write { .. } => Cause::Output,
        };
        Self::new(code, error.to_string())
    }
}

/// Writes the project into the current directory and says what to do next.
pub(super) fn run(config: &NewConfig) -> Result<Ended, CommandError> {
    write_below(Path::new(""), config)?;
    answer(&next_steps(config))?;
    Ok(Ended::Done)
}

/// Writes the project as a new directory below `parent`. Where that fails half-way, nothing of it is left.
fn write_below(parent: &Path, config: &NewConfig) -> Result<(), NewError> {
    if RESERVED.split(' ').any(|reserved| reserved == config.name) {
        return Err(NewError::Reserved(config.name.clone()));
    }
    let project = parent.join(&config.name);
    fs::create_dir(&project).map_err(|cause| match cause.kind() == io::ErrorKind::AlreadyExists {
        true => NewError::Exists(project.clone()),
        false => NewError::Write { path: project.clone(), cause },
    })?;
    let files = files::of(config.language, config.role);
    files.iter().try_for_each(|file| write(&project, file, config)).inspect_err(|_| {
        // The directory is of this call's making, so what is in it is, too. If it cannot go, the error says enough.
        drop(fs::remove_dir_all(&project));
    })
}

fn write(project: &Path, file: &File, config: &NewConfig) -> Result<(), NewError> {
    let path = project.join(file.path);
    let written = || {
        fs::create_dir_all(path.parent().unwrap_or(project))?;
        fs::write(&path, file.filled(config))?;
        if file.executable { make_executable(&path) } else { Ok(()) }
    };
    written().map_err(|cause| NewError::Write { path: path.clone(), cause })
}

#[cfg(unix)]
fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut permissions = fs::metadata(path)?.permissions();
    // Whoever may read it may run it.
    permissions.set_mode(permissions.mode() | (permissions.mode() & 0o444) >> 2);
    fs::set_permissions(path, permissions)
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> io::Result<()> {
    Ok(())
}

fn next_steps(config: &NewConfig) -> String {
    let name = &config.name;
    let role = match config.role {
        NewRole::Key => "a key extractor",
        NewRole::Scorer => "a similarity scorer",
    };
    let language = match config.language {
        Language::Rust => "Rust",
        Language::Python => "Python",
        Language::Javascript => "JavaScript",
        Language::C => "C",
    };
    let mut text = format!("made {name}: {role} in {language}, ready to build\n");
    for file in files::of(config.language, config.role) {
        if let Some(about) = file.about {
            // A string takes all that is written to it.
            let _ = writeln!(text, "  {:<32} {about}", format!("{name}/{}", file.path));
        }
    }
    let _ = writeln!(
        text,
        "next:\n  cd {name} && ./build.sh && dedup-host plugin conformance {name}.wasm --expect golden.json"
    );
    text
}

#[cfg(test)]
mod tests;
