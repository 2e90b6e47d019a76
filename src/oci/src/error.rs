//! The errors of reading and writing images: each says what was attempted, and on what.

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Digest;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text is no digest.
    #[error("invalid digest `{text}`: {reason}")]
    InvalidDigest {
        /// What was parsed.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A text is no image reference.
    #[error("invalid image reference `{text}`: {reason}")]
    InvalidReference {
        /// What was parsed.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A text is no platform.
    #[error("invalid platform `{text}`: {reason}")]
    InvalidPlatform {
        /// What was parsed.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A JSON document of an image cannot be understood.
    #[error("cannot parse the {what} of {origin}: {source}")]
    Json {
        /// Which document: `manifest`, `index`, `image config` …
        what: &'static str,
        /// Where it came from.
        origin: String,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// A system call on a file failed.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was attempted, as an infinitive.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A stream of bytes failed or ended early.
    #[error("cannot {action}: {source}")]
    Stream {
        /// What was attempted, as an infinitive.
        action: &'static str,
        /// What failed.
        source: io::Error,
    },
    /// Content is not what its digest promises.
    #[error("{what} has the digest {found}, but {expected} was expected")]
    DigestMismatch {
        /// What was read.
        what: String,
        /// The digest that was promised.
        expected: Digest,
        /// The digest of the bytes that came.
        found: Digest,
    },
    /// Content is not as long as its descriptor promises.
    #[error("{what} has {found} bytes, but {expected} were expected")]
    SizeMismatch {
        /// What was read.
        what: String,
        /// The size that was promised.
        expected: u64,
        /// The number of bytes that came.
        found: u64,
    },
    /// An entry of a layer's tar stream is refused.
    #[error("layer entry `{}` is refused: {reason}", path.display())]
    LayerEntry {
        /// The entry's name in the archive.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A tar stream is broken.
    #[error("broken tar archive at byte {offset}: {reason}")]
    Tar {
        /// Where the header stands that cannot be read.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// An entry of a layer cannot be made in the root.
    #[error("cannot {action} `{}` of the layer: {source}", path.display())]
    Entry {
        /// What was attempted, as an infinitive.
        action: &'static str,
        /// The path inside the image.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A blob is not in the store.
    #[error("blob {digest} is not in `{}`", place.display())]
    MissingBlob {
        /// The blob.
        digest: Digest,
        /// The store, layout or archive that was searched.
        place: PathBuf,
    },
    /// A tar is not one of images; it may be one of a root filesystem.
    #[error("`{}` is not an image: {reason}", path.display())]
    NotAnImage {
        /// The file or directory.
        path: PathBuf,
        /// What is missing or odd.
        reason: String,
    },
    /// A layout or archive of images lacks something, or is none.
    #[error("`{}` cannot be read as images: {reason}", path.display())]
    NotALayout {
        /// The file or directory.
        path: PathBuf,
        /// What is missing or odd.
        reason: String,
    },
    /// An archive is broken.
    #[error("cannot read `{}`: {source}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// An image or index holds nothing that was asked for.
    #[error("no image for {wanted} in {place}; it holds {available}")]
    NoMatch {
        /// The platform or name that was asked for.
        wanted: String,
        /// Where it was searched.
        place: String,
        /// What there is.
        available: String,
    },
    /// A document uses something that is not supported.
    #[error("{what} is not supported")]
    Unsupported {
        /// What it is.
        what: String,
    },
    /// A registry refused or could not be reached.
    #[error("{action} {reference}: {reason}")]
    Registry {
        /// What was attempted: `pull`, `push`, …
        action: &'static str,
        /// On which image.
        reference: String,
        /// What the registry or the network said.
        reason: String,
    },
    /// Credentials for a registry cannot be read.
    #[error("cannot read credentials for {registry}: {reason}")]
    Credentials {
        /// The registry.
        registry: String,
        /// What went wrong.
        reason: String,
    },
}

impl Error {
    /// What the user can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::InvalidDigest { .. } => {
                Some("a digest looks like sha256:<64 hexadecimal digits>")
            }
            Self::InvalidReference { .. } => {
                Some("an image reference looks like [HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST]")
            }
            Self::InvalidPlatform { .. } => {
                Some("a platform looks like linux/amd64 or linux/arm/v7")
            }
            Self::DigestMismatch { .. } | Self::SizeMismatch { .. } => {
                Some("the content is damaged or was changed on the way; fetch it again")
            }
            Self::Tar { .. } => Some("the archive may be cut short; fetch or write it again"),
            Self::Archive { source, .. } => source.hint(),
            Self::NotAnImage { .. } | Self::NotALayout { .. } => Some(
                "an OCI layout (directory or tar), a docker-archive, or a tar of a root filesystem can be read",
            ),
            Self::NoMatch { .. } => Some("choose one of those, or another platform"),
            Self::LayerEntry { .. } => {
                Some("the layer was not written by a well-behaved image builder")
            }
            Self::Credentials { .. } => {
                Some("log in with `docker login`, or repair docker's config.json")
            }
            _ => None,
        }
    }

    /// Whether a file was found to be a tar, but not one of images: its content may be a root filesystem.
    #[must_use]
    pub fn is_no_image(&self) -> bool {
        matches!(self, Self::NotAnImage { .. })
    }

    pub(crate) fn io(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    pub(crate) fn entry(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Entry {
            action,
            path,
            source,
        }
    }

    pub(crate) fn stream(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Stream { action, source }
    }

    pub(crate) fn json(
        what: &'static str,
        origin: impl Into<String>,
    ) -> impl FnOnce(serde_json::Error) -> Self {
        let origin = origin.into();
        move |source| Self::Json {
            what,
            origin,
            source,
        }
    }
}
