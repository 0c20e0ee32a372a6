//! `dedup-host checkpoint` and `dedup-host store`: gives the workbench what the settings say, and says which exit code an end
//! has. Does not look at anything.

use checkpoint::{Depot, DepotError};
use private_files::Trust;
use workbench::checkpoints::{CheckpointCommand, CheckpointError, Ended, run};

use crate::exit::ExitCode;
use crate::run::{checkpoint_limits, s3_options};
use crate::settings::custody::{CheckpointRequest, StoreRequest};

/// Does what was asked for, and says how it went.
#[must_use]
pub fn checkpoints(request: CheckpointRequest) -> ExitCode {
    let done = depots(&request).map_err(CheckpointError::from).and_then(|depots| {
        let CheckpointRequest { scope, action, json, .. } = request;
        run(&CheckpointCommand { depots, scope, action, json })
    });
    match done {
        Ok(Ended::Done) => ExitCode::Ok,
        Ok(Ended::Nothing) => ExitCode::Input,
        Ok(Ended::Damaged) => ExitCode::State,
        Err(error) => {
            terminal::error(&error);
            code(&error)
        }
    }
}

/// Says what a state is.
#[must_use]
pub fn store(request: &StoreRequest) -> ExitCode {
    match workbench::checkpoints::inspect_store(&request.dir, request.json) {
        Ok(()) => ExitCode::Ok,
        Err(error) => {
            terminal::error(&error);
            code(&error)
        }
    }
}

/// A directory that is not there is not made: there is nothing in it. Whoever may read what is there may look at it.
fn depots(request: &CheckpointRequest) -> Result<Vec<Depot>, DepotError> {
    let (config, limits) = (&request.config, checkpoint_limits(&request.config));
    let mut depots = Vec::new();
    if config.local_dir.is_dir() {
        depots.push(Depot::directory(&config.local_dir, Trust::Anyone, limits.clone())?);
    }
    if let Some(s3) = &config.s3 {
        depots.push(Depot::s3(&s3_options(s3), limits)?);
    }
    Ok(depots)
}

fn code(error: &CheckpointError) -> ExitCode {
    match error {
        CheckpointError::Ambiguous(_) | CheckpointError::Depot(DepotError::Config(_)) => ExitCode::Usage,
        CheckpointError::Depot(DepotError::Damaged { .. }) | CheckpointError::Store(_) => ExitCode::State,
        CheckpointError::Depot(DepotError::Local { .. }) | CheckpointError::Answer(_) => ExitCode::Output,
        CheckpointError::Depot(_) => ExitCode::Input,
    }
}
