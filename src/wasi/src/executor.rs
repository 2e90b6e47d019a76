//! One module from a request to an outcome.

use std::panic;
use std::thread::JoinHandle;

use stromatekt_executor::{Outcome, Request, Stream, Stubs};
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use crate::environment;
use crate::error::{Error, Result};
use crate::module::{self, Module};
use crate::prepare::{Prepared, Step};
use crate::refuse;

/// How many pieces of output may wait to be told.
const WAITING: usize = 64;

/// A module in its thread. Dropped, it is stopped, and nobody touches the tree any more.
struct Running {
    output: Receiver<(Stream, Vec<u8>)>,
    stop: CancellationToken,
    thread: Option<JoinHandle<stromatekt_kernel::Result<Result<Outcome>>>>,
    /// After the thread: what is mounted there is in use until it ends.
    stubs: Option<Stubs>,
}

/// Runs a module to its end, and tells `output` what it writes meanwhile, in pieces as they come.
///
/// The first argument is the path of the module in the tree, which the module sees as its `/`. A module that fails is an
/// [`Outcome`]. When `cancel` is cancelled, or this future is dropped, it is stopped.
pub async fn run(
    request: Request<'_>,
    mut output: impl FnMut(Stream, &[u8]) + Send,
    cancel: CancellationToken,
) -> Result<Outcome> {
    refuse::check(request.run)?;
    let step = Step::own(&request)?;
    if cancel.is_cancelled() {
        return Err(Error::Cancelled);
    }
    let stop = cancel.child_token();
    let started = tokio::task::spawn_blocking(move || Running::start(step, stop));
    let mut running = joined(started.await)??;
    // It closes when the module has ended: what it wrote until then is told, whatever happened.
    while let Some((stream, data)) = running.output.recv().await {
        output(stream, &data);
    }
    joined(tokio::task::spawn_blocking(move || running.finish()).await)?
}

impl Running {
    fn start(step: Step, stop: CancellationToken) -> Result<Self> {
        let Prepared {
            confinement,
            stubs,
            user,
            secret,
        } = step.prepare()?;
        let (sender, output) = mpsc::channel(WAITING);
        let token = stop.clone();
        let run = step.run;
        let thread = confinement
            .spawn("wasi", move || {
                let variables = environment::variables(&run, &secret, user.uid);
                module::run(Module {
                    run,
                    variables,
                    output: sender,
                    stop: token,
                })
            })
            .map_err(Error::file("start a thread for", "the module"))?;
        Ok(Self {
            output,
            stop,
            thread: Some(thread),
            stubs: Some(stubs),
        })
    }

    fn finish(mut self) -> Result<Outcome> {
        let ended = self.join();
        let removed = self.stubs.take().map(Stubs::remove).transpose();
        let outcome = ended??;
        removed?;
        Ok(outcome)
    }

    fn join(&mut self) -> Result<Result<Outcome>> {
        let Some(thread) = self.thread.take() else {
            return Err(Error::Cancelled);
        };
        match thread.join() {
            Ok(result) => Ok(result?),
            Err(panic) => panic::resume_unwind(panic),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        self.output.close();
        if let Some(thread) = self.thread.take() {
            // Nobody waits for how it ends.
            let _ = thread.join();
        }
    }
}

/// The result of work on another thread, or its panic.
fn joined<T>(result: std::result::Result<T, JoinError>) -> Result<T> {
    result.map_err(|error| match error.try_into_panic() {
        Ok(panic) => panic::resume_unwind(panic),
        // The tokio runtime shuts down.
        Err(_) => Error::Cancelled,
    })
}
