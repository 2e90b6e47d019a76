//! How much happens at the same time.

use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// Separate limits for what competes for different things.
pub(crate) struct Limits {
    processes: Arc<Semaphore>,
    disk: Arc<Semaphore>,
    network: Arc<Semaphore>,
}

impl Limits {
    /// Steps often wait (for a network, for a lock) rather than compute: more of them than cores.
    pub fn new(max_processes: Option<NonZero<u32>>) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let processes = match max_processes {
            Some(most) => usize::try_from(most.get()).unwrap_or(usize::MAX),
            None => (4 * cores).max(16),
        };
        Self {
            processes: Arc::new(Semaphore::new(processes.min(Semaphore::MAX_PERMITS))),
            disk: Arc::new(Semaphore::new(2 * cores)),
            network: Arc::new(Semaphore::new(6)),
        }
    }

    /// The right to run a process.
    pub async fn process(&self, cancel: &CancellationToken) -> Result<OwnedSemaphorePermit> {
        acquire(&self.processes, cancel).await
    }

    /// The right to copy, hash or pack files.
    pub async fn disk(&self, cancel: &CancellationToken) -> Result<OwnedSemaphorePermit> {
        acquire(&self.disk, cancel).await
    }

    /// The right to download.
    pub async fn network(&self, cancel: &CancellationToken) -> Result<OwnedSemaphorePermit> {
        acquire(&self.network, cancel).await
    }
}

async fn acquire(
    semaphore: &Arc<Semaphore>,
    cancel: &CancellationToken,
) -> Result<OwnedSemaphorePermit> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Error::Canceled),
        permit = Arc::clone(semaphore).acquire_owned() => permit.map_err(|_| Error::Canceled),
    }
}

/// The result of `work`, unless the build is stopped before: then the work is dropped, which ends it.
pub(crate) async fn until_cancelled<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = T>,
) -> Result<T> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Error::Canceled),
        done = work => Ok(done),
    }
}

/// Runs synchronous work beside the scheduler.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Canceled),
        },
    }
}
