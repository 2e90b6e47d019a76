//! What can go wrong in running a process.

use std::io;
use std::path::PathBuf;

/// Why a process was not run, or not to its end. That it failed by itself is no error but an [`Outcome`](crate::Outcome).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program that this crate starts is not installed.
    #[error("`{program}` was not found; {hint}")]
    Missing {
        /// Its name as configured.
        program: String,
        /// What the user can do.
        hint: &'static str,
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
    /// A program could not be started or waited for.
    #[error("could not run `{program}`")]
    Spawn {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The kernel allows that to root alone.
    #[error("could not {attempt} without root's privileges; run it as root, as with `sudo`")]
    Privileges {
        /// What was attempted, continuing "could not".
        attempt: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel refused what a container is made of.
    #[error("could not {attempt}; Linux 5.12 or later is needed")]
    Kernel {
        /// What was attempted, continuing "could not".
        attempt: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The runtime could not make the container.
    #[error("the OCI runtime could not start the process: {message}")]
    Runtime {
        /// What it said.
        message: String,
    },
    /// A limit needs what the kernel or whoever mounts its control groups does not give.
    #[error(
        "a limit of the step needs the control group controller `{controller}`, which is not there (cgroups(7))"
    )]
    Controller {
        /// Which one.
        controller: &'static str,
    },
    /// The kernel does not count swap.
    #[error(
        "the kernel does not limit swap: boot it with `swapaccount=1`, or leave `--memory-swap` out"
    )]
    SwapAccounting,
    /// The network of the step could not be set up.
    #[error("could not set up the step's network: {message}; `--network host` uses the host's")]
    Network {
        /// What was said by what sets it up.
        message: String,
    },
    /// The user of the process cannot be found in its tree. Worded as docker does.
    #[error("{0}")]
    User(String),
    /// A mount cannot be made.
    #[error("mount at `{target}`: {message}")]
    Mount {
        /// Where it should have been.
        target: String,
        /// Why it cannot be there.
        message: String,
    },
    /// A step needs a secret that was not given.
    #[error("secret `{id}` was not given; pass it with `--secret id={id},src=FILE`")]
    SecretNotGiven {
        /// Which one.
        id: String,
    },
    /// A step needs an ssh agent that was not given.
    #[error("no SSH key `{id}` was forwarded; pass it with `--ssh {id}`")]
    SshNotGiven {
        /// Which one.
        id: String,
    },
    /// An `--ssh` option does not say what it should.
    #[error("invalid value `{value}` of `--ssh`: {message}")]
    SshOption {
        /// The option's value.
        value: String,
        /// What is wrong.
        message: String,
    },
    /// The request contradicts itself.
    #[error("cannot run `{id}`: {message}")]
    Request {
        /// Which one.
        id: String,
        /// What is wrong.
        message: String,
    },
    /// The build was cancelled; the process was killed.
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

    /// Names what was attempted, where the kernel asks for privileges.
    pub(crate) fn privileges(attempt: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Privileges { attempt, source },
            _ => Self::Kernel { attempt, source },
        }
    }
}
