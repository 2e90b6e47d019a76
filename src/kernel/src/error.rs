//! A call to the kernel that failed: which, and on what.

use std::io;
use std::path::PathBuf;

/// A call to the kernel that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempt} `{}`", path.display())]
pub struct Error {
    /// What was attempted, to be followed by the path.
    pub attempt: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the kernel said.
    #[source]
    pub source: io::Error,
}

impl Error {
    /// For `map_err`: `attempt` on `path` failed.
    pub(crate) fn of<E: Into<io::Error>>(
        attempt: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self {
            attempt,
            path: path.into(),
            source: source.into(),
        }
    }

    /// The error number.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }
}

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;
