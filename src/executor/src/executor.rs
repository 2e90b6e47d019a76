//! The executor: from a request to an outcome.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::request::{Outcome, Request, Stream};

/// How processes are run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The OCI runtime, a name to find in `PATH` or a path: `runc`, or any with its command line.
    pub runtime: PathBuf,
    /// A directory for bundles and the runtime's state; made if it does not exist.
    pub scratch: PathBuf,
}

/// Runs processes in containers of an OCI runtime.
#[derive(Debug)]
pub struct Executor {
    config: Config,
}

impl Executor {
    /// Checks that the runtime exists, and removes what dead processes left in the scratch directory.
    pub fn new(config: Config) -> Result<Self> {
        Ok(Self { config })
    }

    /// Starts a network in the background, so that the next step with a network of its own need not wait for it.
    ///
    /// Worth calling as soon as it is known that there is such a step. It must be called within a tokio runtime.
    pub fn prepare_network(&self) {}

    /// Runs a process to its end, and tells `output` what it writes meanwhile, in pieces as they come.
    ///
    /// A process that fails is an [`Outcome`]. When `cancel` is cancelled, or this future is dropped, the process and all its
    /// children are killed.
    pub async fn run(
        &self,
        request: Request<'_>,
        output: impl FnMut(Stream, &[u8]) + Send,
        cancel: CancellationToken,
    ) -> Result<Outcome> {
        let _ = (&self.config, request, output, cancel);
        Err(crate::Error::Cancelled)
    }
}
