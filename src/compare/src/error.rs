//! Why an image cannot be compared: what was attempted, on what, and what the user can do.

use std::io;
use std::path::PathBuf;

use stromatekt_oci::Digest;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with an image that is to be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The image, or one of its documents, cannot be read.
    #[error(transparent)]
    Image(#[from] stromatekt_oci::Error),
    /// A layer cannot be read.
    #[error("cannot read layer {number} ({digest}) of `{}`: {source}", path.display())]
    Layer {
        /// Which one, the lowest being 0.
        number: usize,
        /// The digest of its blob.
        digest: Digest,
        /// Where the image is.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// The bytes of a layer cannot be read.
    #[error("{0}")]
    Read(#[source] io::Error),
    /// The content of a file in a layer cannot be read.
    #[error("the content of `{}`: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// An entry of a layer cannot stand where it is.
    #[error("the entry `{}` {reason}", path.display())]
    Entry {
        /// The entry.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// An image has more in it than is kept in memory.
    #[error("it has more than {limit}, which is more than any image needs")]
    TooLarge {
        /// How much is taken.
        limit: &'static str,
    },
    /// The config and the manifest disagree.
    #[error("`{}` has {layers} layers, but its config lists {diff_ids}", path.display())]
    LayerCount {
        /// Where the image is.
        path: PathBuf,
        /// How many layers there are.
        layers: usize,
        /// How many the config has.
        diff_ids: usize,
    },
}

impl Error {
    /// What the user can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Image(source) => source.hint(),
            Self::Layer { source, .. } => source.hint(),
            Self::LayerCount { .. } | Self::Entry { .. } => {
                Some("the image was not written by a well-behaved image builder")
            }
            Self::Read(_) | Self::Content { .. } | Self::TooLarge { .. } => None,
        }
    }
}
