//! What can go wrong when files are selected, hashed and copied.

use std::io;
use std::path::{Path, PathBuf};

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was attempted, on what, and why it failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A source of a copy is not there.
    #[error("\"/{pattern}\": not found{}", ignored_by(ignored.as_deref()))]
    NotFound {
        /// The source as it was searched, relative to the root of its tree.
        pattern: String,
        /// The pattern of the ignore file that leaves it out, where that is why.
        ignored: Option<String>,
        /// An entry that is there and has nearly the same name.
        similar: Option<String>,
    },
    /// A pattern cannot be read.
    #[error("the pattern {pattern:?} is malformed: {reason}")]
    Pattern {
        /// As it was written.
        pattern: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The value of `--chmod` cannot be read.
    #[error("the mode {mode:?} is malformed: {reason}")]
    Mode {
        /// As it was written.
        mode: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The value of `--chown`, or a user, cannot be read.
    #[error("the owner {owner:?} is no `user[:group]`: {reason}")]
    Owner {
        /// As it was written.
        owner: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An owner was given by name, where there are no names: in a copy with `--link`, or as the first thing on `scratch`.
    #[error(
        "the owner {owner:?} is a name, and there is no /etc/passwd to look it up in: scratch has none, and a copy with --link sees none"
    )]
    OwnerNeedsTree {
        /// As it was written.
        owner: String,
    },
    /// `/etc/passwd` or `/etc/group` of the tree cannot be used.
    #[error("cannot look up the owner in {path} of the tree")]
    UserFile {
        /// Which.
        path: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A source was there when the tree was walked, and is not any more, or is something else.
    #[error("{} was removed or replaced while it was being copied", path.display())]
    Vanished {
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        source: Option<io::Error>,
    },
    /// A source cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The tree cannot be written.
    #[error("cannot {attempt} /{} in the tree", path.display())]
    Write {
        /// What was attempted.
        attempt: &'static str,
        /// On what, relative to the root of the tree.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file would replace a directory.
    #[error("cannot replace to directory /{} with file", path.display())]
    FileOverDirectory {
        /// The directory, relative to the root of the tree.
        path: PathBuf,
    },
    /// A directory would be merged into something else.
    #[error("cannot copy to non-directory: /{}", path.display())]
    DirectoryOverFile {
        /// What is in its way, relative to the root of the tree.
        path: PathBuf,
    },
    /// An archive that ADD found cannot be unpacked.
    #[error("cannot unpack {}", path.display())]
    Unpack {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: Box<stromatekt_oci::Error>,
    },
    /// What is remembered of files cannot be had.
    #[error("cannot look up the hashes of files")]
    Hashes(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound {
                pattern,
                ignored: Some(rule),
                ..
            } => Some(format!(
                "remove `{rule}` from the ignore file, or add `!{pattern}` below it"
            )),
            Self::NotFound {
                similar: Some(similar),
                ..
            } => Some(format!("did you mean `{similar}`?")),
            Self::NotFound { .. } => Some(
                "sources are searched beneath the root of the build context, stage or image"
                    .to_owned(),
            ),
            Self::OwnerNeedsTree { .. } => Some("write the owner as numbers".to_owned()),
            Self::FileOverDirectory { .. } | Self::DirectoryOverFile { .. } => {
                Some("remove what is there in an earlier RUN, or copy to another place".to_owned())
            }
            Self::Vanished { .. } => {
                Some("build again when nothing else changes the build context".to_owned())
            }
            _ => None,
        }
    }

    /// For `map_err`: a source could not be read, since it vanished or for another reason.
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| {
            let path = path.to_owned();
            match source.raw_os_error() {
                Some(errno) if is_absence(errno) => Self::Vanished {
                    path,
                    source: Some(source),
                },
                _ => Self::Read { path, source },
            }
        }
    }

    /// For `map_err`: `attempt` on `path` of the tree failed.
    pub(crate) fn write(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Write {
            attempt,
            path: path.to_owned(),
            source,
        }
    }
}

/// Whether an error number says that a path does not lead where it led before.
fn is_absence(errno: i32) -> bool {
    use nix::errno::Errno;
    [Errno::ENOENT, Errno::ENOTDIR, Errno::ELOOP, Errno::ESTALE].contains(&Errno::from_raw(errno))
}

fn ignored_by(rule: Option<&str>) -> String {
    rule.map(|rule| format!(" (the ignore file excludes it: `{rule}`)"))
        .unwrap_or_default()
}
