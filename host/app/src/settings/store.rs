//! Settings of the state. Unless the user says otherwise, it is in a directory that belongs to this user, not in one
//! that all users share, where anybody could place a state before the host does.

use setting::{Group, Runs, Setting, SettingsError, Typed, one, rows, switch, units};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The keys seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateConfig {
    /// Directory.
    pub path: PathBuf,
    /// Whether a directory is believed whoever owns it or may write it.
    pub trust_owner: bool,
    /// Most bytes a partition.
    pub capacity_bytes: u64,
}

const GROUP: Group = Group { title: "State", runs: Runs::All, also: &[] };

rows!(pub(super),
    static STORE_PATH: Setting<PathBuf> = one(
        GROUP,
        "store-path",
        "DIR",
        units::path,
        "Directory of the state, created with mode 0700; unset: a directory that belongs to this user\n\nThat is \
         $STATE_DIRECTORY if the service manager sets it, /var/lib/dedup-host for root, otherwise dedup-host in \
         $XDG_STATE_HOME or ~/.local/state. A directory that others can write to, or that belongs to another user, \
         is refused.",
    );
    static TRUST_STORE_OWNER: Setting<bool> = switch(
        GROUP,
        "trust-store-owner",
        "Trust a state whoever owns it or can write to it\n\nFor shared volumes that cannot be private, such as \
         those that Kubernetes makes writable by a group (fsGroup). Whoever can write there decides what counts as \
         seen.",
    );
    static MAX_STORE_CAPACITY: Setting<u64> = one(
        GROUP,
        "max-store-capacity",
        "BYTES",
        units::bytes,
        "Maximum disk space for the state of a partition, in bytes or with a unit\n\nBeyond it, the oldest keys are \
         forgotten early; a metric shows the window in force.",
    )
    .or("1073741824");
);

/// Where versions before had it.
const FORMER: &str = "/tmp/deduplication-store";

/// The uid of root.
const ROOT: u32 = 0;

/// What the user said of the state.
pub(super) fn config(typed: &Typed) -> Result<StateConfig, SettingsError> {
    Ok(StateConfig {
        path: typed.need(&STORE_PATH)?,
        trust_owner: typed.need(&TRUST_STORE_OWNER)?,
        capacity_bytes: typed.need(&MAX_STORE_CAPACITY)?,
    })
}

/// Takes the place of a `--store-path` that nobody gave.
pub(super) fn derive(typed: &mut Typed) -> Result<(), SettingsError> {
    if typed.text(&STORE_PATH).is_some() {
        return Ok(());
    }
    let variable = |name: &str| std::env::var_os(name);
    let Some((place, reason)) = place(private_files::user(), &variable) else {
        let reason = "is not set, and neither HOME nor XDG_STATE_HOME is: name a directory for the state";
        return Err(typed.wrong(&STORE_PATH, reason));
    };
    let Some(text) = place.to_str() else {
        let reason = format!("is not set, and {} ({reason}) is not UTF-8: name a directory", place.display());
        return Err(typed.wrong(&STORE_PATH, reason));
    };
    typed.derive(&STORE_PATH, text, reason);
    Ok(())
}

/// What is to be said where a state lies in the place that nobody named, and another in the one of earlier versions.
pub(crate) fn left_behind(path: &Path) -> Option<String> {
    let (default, _) = place(private_files::user(), &|name| std::env::var_os(name))?;
    (default == path && Path::new(FORMER).is_dir()).then(|| {
        format!(
            "the state is in {}. The one in {FORMER}, the default of earlier versions, is not used: to continue with \
             it, give --store-path {FORMER}, or better, move it to a private directory first",
            path.display()
        )
    })
}

/// The place and why it is that one; `None` where the environment names none. What is not absolute is ignored, as the XDG
/// base directory specification has it.
fn place(user: u32, variable: &dyn Fn(&str) -> Option<OsString>) -> Option<(PathBuf, &'static str)> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    // systemd separates several by colons.
    let service = variable("STATE_DIRECTORY").and_then(|all| {
        let first = all.to_str()?.split(':').next()?.to_owned();
        Some(PathBuf::from(first)).filter(|path| path.is_absolute())
    });
    if let Some(service) = service {
        return Some((service, "the service's own directory, from STATE_DIRECTORY"));
    }
    if user == ROOT {
        return Some((PathBuf::from("/var/lib/dedup-host"), "root's own directory"));
    }
    if let Some(state) = absolute("XDG_STATE_HOME") {
        return Some((state.join("dedup-host"), "this user's own directory, from XDG_STATE_HOME"));
    }
    absolute("HOME").map(|home| (home.join(".local/state/dedup-host"), "this user's own directory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user: u32, variables: &[(&str, &str)]) -> Option<PathBuf> {
        let variable =
            |name: &str| variables.iter().find(|(is, _)| *is == name).map(|(_, value)| OsString::from(*value));
        place(user, &variable).map(|(place, _)| place)
    }

    #[test]
    fn the_place_nobody_named_is_this_users_own() {
        let home = ("HOME", "/home/u");
        let check = |user, variables: &[(&str, &str)], wanted: &str| {
            assert_eq!(of(user, variables), Some(PathBuf::from(wanted)), "{user} {variables:?}");
        };
        check(1000, &[home], "/home/u/.local/state/dedup-host");
        check(1000, &[home, ("XDG_STATE_HOME", "/home/u/state")], "/home/u/state/dedup-host");
        check(1000, &[home, ("XDG_STATE_HOME", "relative")], "/home/u/.local/state/dedup-host");
        check(1000, &[home, ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")], "/var/lib/a");
        check(0, &[("HOME", "/root")], "/var/lib/dedup-host");
        check(0, &[], "/var/lib/dedup-host");
        check(0, &[("STATE_DIRECTORY", "/var/lib/a")], "/var/lib/a");
        assert_eq!(of(1000, &[]), None);
        assert_eq!(of(1000, &[("HOME", "relative"), ("XDG_STATE_HOME", "")]), None);
    }

    #[test]
    fn no_place_is_in_a_directory_that_all_users_share() {
        for user in [0, 1000] {
            let place = of(user, &[("HOME", "/home/u")]).unwrap();
            assert!(!place.starts_with("/tmp") && !place.starts_with("/var/tmp"), "{}", place.display());
        }
    }
}
