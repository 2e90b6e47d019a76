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
use stromatekt_oci::reference::ImageReference;

/// Everything that a build needs to know.
pub struct BuildRequest {
    /// What to do.
    pub graph: Graph,
    /// The [`Export`](stromatekt_graph::op::Export) whose image is wanted.
    pub export: NodeId,
    /// The directories that [`Context`](stromatekt_graph::op::Context) nodes name.
    pub contexts: BTreeMap<String, LocalContext>,
    /// What `RUN --mount=type=secret` may read.
    pub secrets: Secrets,
    /// What `RUN --mount=type=ssh` may use.
    pub ssh: SshAgents,
    /// Names of the image in every output that has names (`--tag`).
    pub names: Vec<ImageReference>,
    /// Where the result goes; all of them get the same image.
    pub outputs: Vec<Output>,
    /// Look for newer base images in their registries before the local store (`--pull`).
    pub pull: bool,
    /// `SOURCE_DATE_EPOCH`, seconds: the time of the image and the upper limit of the times in its new layers.
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
    Store,
    /// An OCI layout.
    OciLayout {
        /// Where to; a directory when `tar` is false.
        destination: Destination,
        /// One tar stream instead of a directory.
        tar: bool,
        /// How new layers are compressed.
        compression: LayerCompression,
    },
    /// An archive as `docker save` makes it.
    DockerArchive {
        /// Where to.
        destination: Destination,
        /// How new layers are compressed.
        compression: LayerCompression,
    },
    /// The root filesystem as one tar stream.
    Tar(Destination),
    /// The root filesystem as files in this directory.
    Local(PathBuf),
    /// The registries of the request's names.
    Registry {
        /// How new layers are compressed.
        compression: LayerCompression,
        /// Use the media types of the image-spec rather than docker's.
        oci_media_types: bool,
    },
}

impl Output {
    /// How new layers are compressed in it, if it has blobs.
    pub(crate) fn compression(&self) -> Option<LayerCompression> {
        match self {
            Self::OciLayout { compression, .. }
            | Self::DockerArchive { compression, .. }
            | Self::Registry { compression, .. } => Some(*compression),
            Self::Store | Self::Tar(_) | Self::Local(_) => None,
        }
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

/// How layers that the build made are compressed. Layers of the base stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LayerCompression {
    /// The format.
    pub format: Compression,
    /// The level; the format's default where absent.
    pub level: Option<i32>,
}

impl Default for LayerCompression {
    fn default() -> Self {
        Self {
            format: Compression::Gzip,
            level: None,
        }
    }
}

/// What a build made.
#[derive(Clone, Debug)]
pub struct Built {
    /// The digest of the config, which docker calls the image id.
    pub image_id: Digest,
    /// The manifest, where an output made one.
    pub manifest: Option<Descriptor>,
    /// The names that it was given.
    pub names: Vec<ImageReference>,
}
