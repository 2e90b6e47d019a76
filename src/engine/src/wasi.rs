//! Steps that are WASI modules, where this program was built with an interpreter for them.

use stromatekt_executor::{Outcome, Request, Stream};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// Runs a module to its end, as [`stromatekt_executor::Executor::run`] does a process in a container.
#[cfg(feature = "wasi")]
pub(crate) async fn run(
    request: Request<'_>,
    output: impl FnMut(Stream, &[u8]) + Send,
    cancel: CancellationToken,
) -> Result<Outcome> {
    let outcome = stromatekt_wasi::run(request, output, cancel).await;
    outcome.map_err(|error| match error {
        stromatekt_wasi::Error::Cancelled => Error::Canceled,
        stromatekt_wasi::Error::Executor(error) => error.into(),
        error => error.into(),
    })
}

/// Says what is missing.
#[cfg(not(feature = "wasi"))]
pub(crate) async fn run(
    _request: Request<'_>,
    _output: impl FnMut(Stream, &[u8]) + Send,
    _cancel: CancellationToken,
) -> Result<Outcome> {
    Err(Error::Unsupported {
        what: "this stromatekt was built without the executor `wasi`".to_owned(),
        hint: "build it with the feature `wasi`, as `cargo build --package stromatekt` does; or use the executor `runc` for this step"
            .to_owned(),
    })
}
