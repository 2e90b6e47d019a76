//! What can go wrong in running a module.

use std::io;
use std::path::PathBuf;

/// Why a module was not run, or not to its end. That it failed by itself is no error but an [`Outcome`](stromatekt_executor::Outcome).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The step asks for what only a container can have.
    #[error("a WASI module cannot have {what}; {way_out}")]
    Refused {
        /// What it asks for.
        what: String,
        /// What the user can do.
        way_out: &'static str,
    },
    /// There is no module.
    #[error(
        "there is no WASI module `{path}` in the tree; the first argument of a step with the executor `wasi` is the path of its module"
    )]
    NoModule {
        /// Where it was looked for.
        path: String,
    },
    /// It cannot be run.
    #[error("`{path}` is no WASI module that can run here: {reason}")]
    NotAModule {
        /// Where it is.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It did what ends a module at once, as `abort` and a failed assertion do.
    #[error("the WASI module `{path}` was stopped by a trap: {reason}")]
    Trap {
        /// Where it is.
        path: String,
        /// Which one.
        reason: String,
    },
    /// It failed after it had asked for more memory than it may have.
    #[error(
        "the WASI module `{path}` ran out of memory: it may have {limit} bytes (`--memory` gives another limit, up to 4 GiB), {ended}"
    )]
    Memory {
        /// Where it is.
        path: String,
        /// How much it may have.
        limit: u64,
        /// How it ended.
        ended: String,
    },
    /// A system call on a file failed.
    #[error("could not {attempt} `{}`", path.display())]
    File {
        /// What was attempted, continuing "could not".
        attempt: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// What the step's process shares with those in containers failed.
    #[error(transparent)]
    Executor(#[from] stromatekt_executor::Error),
    /// The thread of the module could not be confined to its tree.
    #[error(transparent)]
    Confinement(#[from] stromatekt_kernel::Error),
    /// The build was cancelled; the module was stopped.
    #[error("cancelled")]
    Cancelled,
}

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Names what was attempted on which file: `.map_err(Error::file("read", &path))`.
    pub(crate) fn file(
        attempt: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            attempt,
            path,
            source,
        }
    }
}
