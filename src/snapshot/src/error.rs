//! What can go wrong with snapshots.

use std::io;
use std::path::{Path, PathBuf};

use stromatekt_kernel::send_stream::StreamError;

use crate::SnapshotName;

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong with a snapshot, or with what keeps them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call to the kernel failed.
    #[error(transparent)]
    Kernel(#[from] stromatekt_kernel::Error),

    /// There is no snapshot of that name.
    #[error("there is no snapshot `{name}`")]
    Missing {
        /// The name.
        name: SnapshotName,
    },

    /// There is a snapshot of that name.
    #[error("there is a snapshot `{name}` already")]
    Exists {
        /// The name.
        name: SnapshotName,
    },

    /// The snapshot is still writable.
    #[error("snapshot `{name}` is not sealed")]
    NotSealed {
        /// The name.
        name: SnapshotName,
    },

    /// Two snapshots could not be compared.
    #[error("cannot tell what changed in snapshot `{name}`, at `{path}`")]
    Compare {
        /// The later one.
        name: SnapshotName,
        /// Where in it.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },

    /// The kernel's description of the changes could not be had or makes no sense.
    #[error("cannot tell what changed in snapshot `{name}`")]
    Stream {
        /// The snapshot.
        name: SnapshotName,
        /// What is wrong.
        source: StreamError,
    },

    /// A file or directory of the snapshots' home could not be made or read.
    #[error("cannot {action} `{path}`")]
    File {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },

    /// The disk is full.
    #[error(
        "no space is left for snapshots on `{path}`: {needed} more bytes are needed, {available} are available"
    )]
    NoSpace {
        /// Where.
        path: PathBuf,
        /// How many bytes were asked for.
        needed: u64,
        /// How many there are.
        available: u64,
    },

    /// The disk is full, as a call found out.
    #[error("no space is left for snapshots on `{path}`")]
    Full {
        /// Where.
        path: PathBuf,
    },

    /// Writes to the disk failed, so files in snapshots may lack their content.
    #[error("the disk below the snapshots at `{path}` did not take what was written")]
    FailedWrites {
        /// Where.
        path: PathBuf,
    },

    /// The file system of the snapshots turned read-only after an error.
    #[error("the file system of the snapshots at `{path}` is read-only: writing to it failed")]
    ReadOnly {
        /// Where it is mounted.
        path: PathBuf,
    },

    /// The place for snapshots is not on btrfs.
    #[error("`{path}` is not on a btrfs file system")]
    NotBtrfs {
        /// The place.
        path: PathBuf,
    },

    /// The place for snapshots belongs to another store.
    #[error("the snapshots in `{path}` belong to the store `{owner}`")]
    Owned {
        /// The place.
        path: PathBuf,
        /// The state directory of the store.
        owner: PathBuf,
    },

    /// Nobody but root may mount file systems and remove snapshots.
    #[error("the snapshots in `{path}` need root's privileges")]
    NotRoot {
        /// Where they are to be.
        path: PathBuf,
    },

    /// The image file could not be formatted.
    #[error("cannot make a btrfs in `{image}`: {reason}")]
    Format {
        /// The image file.
        image: PathBuf,
        /// What mkfs.btrfs said, or why it could not run.
        reason: String,
    },

    /// The file system is in use.
    #[error("`{path}` is in use")]
    Busy {
        /// Where it is mounted.
        path: PathBuf,
    },
}

impl Error {
    /// For `map_err`: what was attempted, on which file of the snapshots' home, failed.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull => Self::Full { path },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            _ => Self::File {
                action,
                path,
                source,
            },
        }
    }

    /// What the user can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoSpace { .. } | Self::Full { .. } => {
                Some("free disk space; `stromatekt store prune` removes what no image needs")
            }
            Self::FailedWrites { .. } => Some("is it full, or broken? `dmesg` tells"),
            Self::ReadOnly { .. } => Some(
                "most likely the disk below it was full: free disk space; the next build mounts it again",
            ),
            Self::NotBtrfs { .. } => Some(
                "let `btrfs_root` in config.json name a directory on btrfs, or leave it out: then an image file is used",
            ),
            Self::Owned { .. } => Some("give each store a `btrfs_root` of its own"),
            Self::NotRoot { .. } => Some("run it as root, as with `sudo`"),
            Self::Format { .. } => Some("is btrfs-progs installed?"),
            Self::Busy { .. } => Some("wait for the builds that run, and leave its directories"),
            _ => None,
        }
    }
}
