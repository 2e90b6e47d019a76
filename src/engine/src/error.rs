//! What can go wrong in a build.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use stromatekt_graph::{Origin, op::ImageLocation};
use stromatekt_oci::Digest;
use stromatekt_oci::platform::Platform;

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was attempted, on what, and why it failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A step failed; the origin says which text it came from.
    #[error("failed to solve: {label}: {source}")]
    Step {
        /// The label of the step.
        label: String,
        /// The text that it came from.
        origin: Option<Origin>,
        /// Why.
        source: Box<Error>,
    },
    /// An action of a step failed, of which several instructions may have made one.
    #[error("{source}")]
    Action {
        /// Which one, counted from 0.
        index: usize,
        /// Why.
        source: Box<Error>,
    },
    /// The process of a step ended with a code that is not zero.
    #[error("process {command:?} did not complete successfully: exit code: {code}")]
    Process {
        /// The command line.
        command: String,
        /// Its exit code.
        code: i32,
    },
    /// The program of a step is for another processor, and nothing here runs such programs.
    #[error(
        "process {command:?} could not be started: it is a program for {architecture}, which this machine cannot run"
    )]
    ForeignProgram {
        /// The command line.
        command: String,
        /// The processor, by Go's name.
        architecture: String,
    },
    /// The build was stopped.
    #[error("the build was canceled")]
    Canceled,
    /// A graph names a context that was not given.
    #[error("no directory was given for the context {name:?}")]
    UnknownContext {
        /// Its name.
        name: String,
    },
    /// An image is not where it was looked for.
    #[error("{location}: not found")]
    ImageNotFound {
        /// Where it was looked for.
        location: Box<ImageLocation>,
        /// What the user can do.
        hint: String,
    },
    /// An image exists, but not for this platform.
    #[error("{location}: no image for platform {wanted}, found {found}")]
    WrongPlatform {
        /// Where it was looked for.
        location: Box<ImageLocation>,
        /// The platform that was asked for.
        wanted: Box<Platform>,
        /// What there is.
        found: String,
    },
    /// No image of the store has this name or id.
    #[error("no such image: {name}")]
    NoSuchImage {
        /// What was asked for.
        name: String,
    },
    /// Several images match.
    #[error("{prefix} is the start of the ids of {count} images")]
    AmbiguousImage {
        /// What was asked for.
        prefix: String,
        /// How many match.
        count: usize,
    },
    /// An image claims layers that it does not have, or the other way round.
    #[error("{image}: {reason}")]
    InconsistentImage {
        /// The image.
        image: String,
        /// What does not fit.
        reason: String,
    },
    /// A layer that was made before comes out different now.
    #[error("layer {expected} cannot be made again from its snapshots: they give {found}")]
    LayerChanged {
        /// Its diff_id.
        expected: String,
        /// What came out.
        found: String,
    },
    /// A copy takes from a local directory what is not there.
    #[error("{source}")]
    NotInContext {
        /// What was looked for, and the rule that excludes it where there is one.
        source: stromatekt_files::Error,
        /// The directory.
        directory: PathBuf,
    },
    /// A layer of an image cannot be read or unpacked.
    #[error("the layer {digest}: {source}")]
    Layer {
        /// The digest of its blob.
        digest: Digest,
        /// What is wrong with it.
        source: stromatekt_oci::Error,
    },
    /// A file is no image that can be loaded.
    #[error("{}: {source}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: stromatekt_oci::Error,
    },
    /// The configuration cannot be understood.
    #[error("{path}: {source}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Two changesets leave different things at one path, and nobody said which is to win.
    #[error("{first} and {second} leave different things at {paths}")]
    Conflict {
        /// What the user knows the one by.
        first: String,
        /// What the user knows the other by.
        second: String,
        /// Where.
        paths: String,
    },
    /// A digest that somebody wrote down is not that of what was made.
    #[error("{what} has the digest {found}, not {expected} as expected")]
    Unexpected {
        /// What was looked at.
        what: String,
        /// The digest that was written down.
        expected: Digest,
        /// The digest that it has.
        found: Digest,
        /// In what it differs from what had the expected digest.
        summary: String,
    },
    /// What was asked for cannot be done.
    #[error("{what}")]
    Unsupported {
        /// What, and why.
        what: String,
        /// The way out.
        hint: String,
    },
    /// A file could not be used.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] stromatekt_store::Error),
    /// A snapshot failed.
    #[error(transparent)]
    Snapshot(#[from] stromatekt_snapshot::Error),
    /// A process could not be run.
    #[error(transparent)]
    Executor(#[from] stromatekt_executor::Error),
    /// A WASI module could not be run.
    #[cfg(feature = "wasi")]
    #[error(transparent)]
    Wasi(#[from] stromatekt_wasi::Error),
    /// Files could not be copied.
    #[error(transparent)]
    Files(#[from] stromatekt_files::Error),
    /// A source could not be fetched.
    #[error(transparent)]
    Sources(#[from] stromatekt_sources::Error),
    /// An image or layer could not be read or written.
    #[error(transparent)]
    Oci(#[from] stromatekt_oci::Error),
    /// A build that only looks came to a step that would run. Nobody gets to see this.
    #[error("only a build runs steps")]
    WouldRun,
    /// The same failure, reported to several that waited for it.
    #[error(transparent)]
    Shared(Arc<Error>),
}

impl Error {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Step { source, .. } | Self::Action { source, .. } => source.hint(),
            Self::Shared(error) => error.hint(),
            Self::ImageNotFound { hint, .. } | Self::Unsupported { hint, .. } => Some(hint.clone()),
            Self::WrongPlatform { .. } => {
                Some("choose one of them with --platform, or another base image".into())
            }
            Self::ForeignProgram { .. } => Some(
                "register an emulator with the kernel: Debian's packages qemu-user-static and binfmt-support do, and \
                 `docker run --privileged tonistiigi/binfmt --install all`; or run what can run here, in a stage `FROM --platform=$BUILDPLATFORM`"
                    .into(),
            ),
            Self::Conflict { .. } => Some(
                "say that their order is meant (the later one wins), or have one of them build on the other".into(),
            ),
            Self::Unexpected { summary, .. } => {
                Some(format!("{summary}; if the new content is right, write its digest down instead"))
            }
            Self::AmbiguousImage { .. } => Some("give more digits of the id".into()),
            Self::NoSuchImage { .. } => Some("`stromatekt image ls` lists the images".into()),
            Self::Store(error) => error.hint().map(str::to_owned),
            Self::Files(error) => error.hint(),
            Self::NotInContext { source, directory } => {
                let searched = format!("searched in {}", directory.display());
                Some(match source.hint() {
                    Some(hint) => format!("{searched}; {hint}"),
                    None => searched,
                })
            }
            Self::Sources(error) => error.hint(),
            Self::Snapshot(error) => error.hint().map(str::to_owned),
            Self::Layer { source, .. } | Self::Archive { source, .. } => {
                source.hint().map(str::to_owned)
            }
            Self::Oci(error) => error.hint().map(str::to_owned),
            _ => None,
        }
    }

    /// The text that the failing step came from.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Step { origin, .. } => origin.as_ref(),
            Self::Shared(error) => error.origin(),
            _ => None,
        }
    }

    /// Whether this is only the consequence of a build that was stopped.
    #[must_use]
    pub fn is_canceled(&self) -> bool {
        match self {
            Self::Canceled => true,
            Self::Step { source, .. } | Self::Action { source, .. } => source.is_canceled(),
            Self::Shared(error) => error.is_canceled(),
            _ => false,
        }
    }

    /// The failure of an action of a step.
    pub(crate) fn of_action(index: usize) -> impl FnOnce(Self) -> Self {
        move |source| match source {
            shared @ Self::Shared(_) => shared,
            source => Self::Action {
                index,
                source: Box::new(source),
            },
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
