//! Raises the limit of open files and sockets of the process. Does not hand them out.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is asked for where the system sets no bound: some systems refuse more.
const WANTED_MAX: u64 = 1 << 20;

/// With fewer, the state of a few partitions may already run out of them.
const ENOUGH: u64 = 1_024;

/// The limit in force.
pub(crate) fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Raises the soft limit as far as the system allows, and says where that is not far.
pub(crate) fn raise() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(WANTED_MAX).min(WANTED_MAX);
    if limit() < wanted
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
    {
        tracing::warn!(%error, limit = limit(), wanted, "the limit of open files cannot be raised");
    }
    if limit() < ENOUGH {
        tracing::warn!(
            limit = limit(),
            "the limit of open files is low, so the state or the broker connections may run out of them: raise the \
             hard limit (ulimit -Hn, LimitNOFILE= of a unit)"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_as_high_as_the_system_allows() {
        raise();
        let maximum = getrlimit(Resource::Nofile).maximum;
        assert!(limit() >= maximum.unwrap_or(WANTED_MAX).min(WANTED_MAX), "{} of {maximum:?}", limit());
    }
}
