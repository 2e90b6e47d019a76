//! What lowering yields: a graph, or the images whose configs must be known first.

use std::collections::{BTreeSet, HashMap};

use stromatekt_dockerfile_parser::Span;
use stromatekt_graph::op::ImageLocation;
use stromatekt_graph::{Graph, NodeId};
use stromatekt_oci::config::ImageConfig;
use stromatekt_oci::platform::Platform;

/// The configs of images, by where the image is and for which platform it was asked.
pub type ImageConfigs = HashMap<(ImageLocation, Platform), ImageConfig>;

/// What lowering yields.
#[derive(Debug)]
pub enum Lowering {
    /// The graph is complete.
    Done(Box<Lowered>),
    /// The configs of these images must be known; then lowering is to be started again with them and those before.
    ///
    /// That happens more than once only where a base brings triggers (ONBUILD) that copy from further images.
    NeedsImages(Vec<ImageRequest>),
}

/// An image whose config must be known.
#[derive(Clone, Debug)]
pub struct ImageRequest {
    /// Where it is.
    pub location: ImageLocation,
    /// For which platform.
    pub platform: Platform,
    /// The name as the Dockerfile has it.
    pub name: String,
    /// What needs it: a FROM, a copy or a mount.
    pub span: Span,
    /// A stage with nearly that name, for the error when there is no such image.
    pub similar_stage: Option<String>,
}

/// The image of a platform in a graph.
#[derive(Clone, Debug)]
pub struct LoweredImage {
    /// The platform.
    pub platform: Platform,
    /// The [`Export`](stromatekt_graph::op::Export) that makes it.
    pub export: NodeId,
    /// `SOURCE_DATE_EPOCH`, seconds, where build args or the Dockerfile set it.
    pub source_date_epoch: Option<i64>,
}

/// A Dockerfile as a graph.
#[derive(Debug)]
pub struct Lowered {
    /// What is to be done.
    pub graph: Graph,
    /// The images of the target, one for each platform.
    pub images: Vec<LoweredImage>,
    /// Whether an index of them is wanted.
    pub is_index: bool,
    /// Names of the local directories that the graph reads: `context`, and those of [`NamedContext::Local`](crate::NamedContext).
    pub contexts: BTreeSet<String>,
    /// What the user should know, a sentence each.
    pub warnings: Vec<String>,
}
