//! The secret under which keys are digested where values are hidden: the operator's own, else the one beside the state. Not
//! the digest: that is the line's.

use line::Redaction;
use private_files::PrivateDir;

use super::error::RunError;
use crate::settings::config::Config;

/// Where a secret is kept that nobody has chosen, in the directory of the state.
const FILE: &str = "redaction-key";

/// What keys are shown as where values are hidden. Hosts that are given the same secret show the same digests.
pub(super) fn redaction(config: &Config, store: &PrivateDir) -> Result<Option<Redaction>, RunError> {
    match &config.redaction_key {
        _ if !config.explanation.redact => Ok(None),
        Some(secret) => Ok(Some(Redaction::under(secret.expose().as_bytes()))),
        None => kept(store).map(|secret| Some(Redaction::under(secret.as_bytes()))).map_err(RunError::Kept),
    }
}

fn kept(store: &PrivateDir) -> Result<String, String> {
    store.secret(FILE).map_err(|error| {
        format!(
            "cannot keep the secret of --redact-values in {}: {error}; make the directory writable, delete the file if \
             it is damaged (keys are then shown as other digests), or give --redaction-key",
            store.path().join(FILE).display()
        )
    })
}

#[cfg(test)]
mod tests {
    use private_files::Trust;

    use super::*;

    #[test]
    fn what_is_no_secret_is_refused_with_the_ways_out() {
        let dir = tempfile::tempdir().unwrap();
        let store = PrivateDir::open(dir.path(), Trust::Ours).unwrap();
        store.replace(FILE, b"short").unwrap();
        let error = kept(&store).unwrap_err();
        assert!(error.contains("redaction-key") && error.contains("--redaction-key"), "{error}");
    }
}
