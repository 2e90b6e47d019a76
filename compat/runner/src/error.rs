//! What can go wrong with a case itself or with the machinery around it; differences between images are no errors.

use std::io;
use std::path::PathBuf;

/// The result of what this library does.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, with what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be read, written, or changed.
    #[error("could not {what} {}: {error}", path.display())]
    File {
        /// The verb.
        what: &'static str,
        /// The path.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// A `case.yaml` says what it cannot say.
    #[error("{}{}: {message}", path.display(), line.map_or(String::new(), |line| format!(":{line}")))]
    Definition {
        /// The file.
        path: PathBuf,
        /// The line.
        line: Option<usize>,
        /// What is wrong there.
        message: String,
    },
    /// A case has no point.
    #[error("{} tells no point: its first comment that is no directive must, or `point` in case.yaml", path.display())]
    Pointless {
        /// The case's folder.
        path: PathBuf,
    },
    /// A program could not be started.
    #[error("could not start `{command}`: {error}")]
    Start {
        /// The command line.
        command: String,
        /// The reason.
        error: io::Error,
    },
    /// A program that prepares something failed.
    #[error("`{command}` failed, which {purpose}:\n{output}")]
    Command {
        /// The command line.
        command: String,
        /// What it was for, after "which".
        purpose: &'static str,
        /// The end of its output.
        output: String,
    },
    /// No docker could be started.
    #[error("docker could not be started: {reason}")]
    Docker {
        /// Why.
        reason: String,
    },
    /// A base image that cases use cannot be had.
    #[error("the base image {name} is not there: {hint}")]
    Base {
        /// Its name.
        name: String,
        /// How to get it.
        hint: String,
    },
    /// Bases are built from each other in a circle.
    #[error("the base images {0} are built from each other in a circle")]
    CircularBases(String),
    /// The server for ADD and for git contexts did not come up.
    #[error("no server could be started on 127.0.0.1: {0}")]
    Server(io::Error),
    /// No case matches.
    #[error("no case of {} matches {patterns}; `compat run --list` lists all", path.display())]
    NoCases {
        /// The folder of cases.
        path: PathBuf,
        /// The patterns.
        patterns: String,
    },
    /// The generator of cases, or their minimization, failed.
    #[error("{0}")]
    Generate(String),
}

impl Error {
    /// Makes an error of a failed operation on a file.
    pub(crate) fn file(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::File { what, path, error }
    }
}
