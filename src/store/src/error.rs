//! What can go wrong with the store.

use std::io;
use std::path::PathBuf;

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was attempted, on what, and why it failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the store could not be used.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The database refused.
    #[error("store database {path}: {source}")]
    Database {
        /// The database file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The database was written by a newer program.
    #[error("the store {path} has format {found}, this stromatekt knows formats up to {known}")]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that is known.
        known: i64,
    },
    /// Another process uses what is to be changed for all.
    #[error("the store {path} is in use by another stromatekt")]
    InUse {
        /// Its directory.
        path: PathBuf,
    },
    /// A row holds something that cannot have been written.
    #[error("the store is damaged: {what}")]
    Damaged {
        /// What was found.
        what: String,
    },
}

impl Error {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::File { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("run as root, or name a directory of your own with --root")
            }
            Self::File { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("free space on the file system of the store, or use another one with --root")
            }
            Self::Newer { .. } => {
                Some("use the newer stromatekt, or another directory with --root")
            }
            Self::InUse { .. } => Some("wait for the builds that run"),
            Self::Damaged { .. } => Some("use another directory with --root, or remove this one"),
            _ => None,
        }
    }

    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}
