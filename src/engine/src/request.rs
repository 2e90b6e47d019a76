//! What a build is asked for: a graph, the directories and secrets it may read, and where its result goes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use stromatekt_executor::{Secrets, SshAgents};
use stromatekt_files::{IgnoreFilter, Owners};
use stromatekt_graph::{Graph, NodeId};
use stromatekt_oci::compress::Compression;
use stromatekt_oci::descriptor::Descriptor;
use stromatekt_oci::digest::Digest;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;

use crate::annotations::Annotations;

/// Everything that a build needs to know.
pub struct BuildRequest {
    /// What to do.
    pub graph: Graph,
    /// What is wanted of it.
    pub images: Vec<ImageRequest>,
    /// The directories that [`Context`](stromatekt_graph::op::Context) nodes name.
    pub contexts: BTreeMap<String, LocalContext>,
    /// What `RUN --mount=type=secret` may read.
    pub secrets: Secrets,
    /// What `RUN --mount=type=ssh` may use.
    pub ssh: SshAgents,
    /// Look for newer base images in their registries before the local store (`--pull`).
    pub pull: bool,
}

/// An image that is wanted, and where it goes.
#[derive(Clone, Debug)]
pub struct ImageRequest {
    /// The image of each platform.
    pub exports: Vec<PlatformExport>,
    /// Write an index, even of one image (`BUILDKIT_MULTI_PLATFORM`); several images are always in one.
    pub is_index: bool,
    /// Names of the image in every output that has names (`--tag`).
    pub names: Vec<ImageReference>,
    /// Where the result goes.
    pub outputs: Vec<Output>,
}

/// An image that is wanted, for a platform.
#[derive(Clone, Debug)]
pub struct PlatformExport {
    /// The [`Export`](stromatekt_graph::op::Export) or [`Written`](stromatekt_graph::op::Written).
    pub node: NodeId,
    /// What the image runs on.
    pub platform: Platform,
    /// `SOURCE_DATE_EPOCH`, seconds: the upper limit of the times in the config, and, where an output asks for it, in new layers.
    pub source_date_epoch: Option<i64>,
}

/// A local directory as a source of files.
#[derive(Clone)]
pub struct LocalContext {
    /// The directory.
    pub path: PathBuf,
    /// What of it must not be seen (`.dockerignore`).
    pub ignore: Option<Arc<dyn IgnoreFilter>>,
    /// Whose its files are: docker gives those of a person's directory to root, and keeps those that an archive names.
    pub owners: Owners,
}

/// Where an image goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The local store, under the names of the request.
    Store(ImageOptions),
    /// An OCI layout.
    OciLayout {
        /// Where to; a directory when `tar` is false.
        destination: Destination,
        /// One tar stream instead of a directory.
        tar: bool,
        /// What the image is to be like.
        options: ImageOptions,
    },
    /// An archive as `docker save` makes it.
    DockerArchive {
        /// Where to.
        destination: Destination,
        /// What the image is to be like.
        options: ImageOptions,
    },
    /// The root filesystem as one tar stream.
    Tar {
        /// Where to.
        destination: Destination,
        /// What it is to be like.
        options: TreeOptions,
    },
    /// The root filesystem as files in a directory.
    Local {
        /// Which directory.
        directory: PathBuf,
        /// What they are to be like.
        options: TreeOptions,
    },
    /// The registries of the request's names.
    Registry {
        /// Push it under no tag, but by its digest alone.
        by_digest: bool,
        /// What the image is to be like.
        options: ImageOptions,
    },
}

/// What an image is to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageOptions {
    /// How layers are compressed.
    pub compression: LayerCompression,
    /// Use the media types of the image-spec rather than docker's.
    pub oci_media_types: bool,
    /// Limit the times in new layers to `SOURCE_DATE_EPOCH`, too.
    pub rewrite_timestamp: bool,
    /// The `SOURCE_DATE_EPOCH` of this output, over that of the build.
    pub epoch: Epoch,
    /// What is written beside the image.
    pub annotations: Annotations,
}

impl Default for ImageOptions {
    fn default() -> Self {
        Self {
            compression: LayerCompression::default(),
            oci_media_types: true,
            rewrite_timestamp: false,
            epoch: Epoch::default(),
            annotations: Annotations::default(),
        }
    }
}

/// What a root filesystem is to be like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeOptions {
    /// Each platform in a directory of its own; where nothing is said, when the result is an index.
    pub platform_split: Option<bool>,
    /// The `SOURCE_DATE_EPOCH` of this output, over that of the build.
    pub epoch: Epoch,
}

/// What an output says of `SOURCE_DATE_EPOCH`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Epoch {
    /// That of the build.
    #[default]
    OfBuild,
    /// Another one, or none.
    Own(Option<i64>),
}

impl Epoch {
    /// The time that counts, where this is that of the build.
    #[must_use]
    pub fn over(self, of_build: Option<i64>) -> Option<i64> {
        match self {
            Self::OfBuild => of_build,
            Self::Own(own) => own,
        }
    }
}

impl Output {
    /// What the image is to be like, where the output is one.
    pub(crate) fn image_options(&self) -> Option<&ImageOptions> {
        match self {
            Self::Store(options)
            | Self::OciLayout { options, .. }
            | Self::DockerArchive { options, .. }
            | Self::Registry { options, .. } => Some(options),
            Self::Tar { .. } | Self::Local { .. } => None,
        }
    }

    /// How new layers are compressed in it, if it has blobs.
    pub(crate) fn compression(&self) -> Option<LayerCompression> {
        match self {
            Self::Store(_) => None,
            other => other.image_options().map(|options| options.compression),
        }
    }
}

impl ImageRequest {
    /// Whether the result is an index.
    #[must_use]
    pub fn makes_index(&self) -> bool {
        self.is_index || self.exports.len() > 1
    }
}

/// A file, or the standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A file or directory.
    Path(PathBuf),
    /// `dest=-`.
    Stdout,
}

/// How layers are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LayerCompression {
    /// The format.
    pub format: Compression,
    /// The level; the format's default where absent.
    pub level: Option<i32>,
    /// Compress the layers of the base so, too, which stay as they are else.
    pub force: bool,
}

impl Default for LayerCompression {
    fn default() -> Self {
        Self {
            format: Compression::Gzip,
            level: None,
            force: false,
        }
    }
}

/// What a build made.
#[derive(Clone, Debug)]
pub struct Built {
    /// What it is known by: the digest of the config, which docker calls the image id; or that of the index.
    pub id: Digest,
    /// The digest of the config, where it is one image.
    pub config: Option<Digest>,
    /// The manifest or index, where an output made one.
    pub descriptor: Option<Descriptor>,
    /// The names that it was given.
    pub names: Vec<String>,
}
