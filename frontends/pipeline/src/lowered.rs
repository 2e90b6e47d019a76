//! What a user can ask of a pipeline, and what lowering yields: a graph, or the images whose configs must be known first.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;

use stromatekt_graph::limits::Limits;
use stromatekt_graph::op::ImageLocation;
use stromatekt_graph::run::Network;
use stromatekt_graph::{Graph, NodeId};
use stromatekt_oci::config::ImageConfig;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;

use crate::problem::Place;

/// The configs of images, by where the image is and for which platform it was asked.
pub type ImageConfigs = HashMap<(ImageLocation, Platform), ImageConfig>;

/// What lowering yields.
#[derive(Debug)]
pub enum Lowering {
    /// The graph is complete.
    Done(Box<Lowered>),
    /// The configs of these images must be known; then lowering is to be started again with them and those before.
    NeedsImages(Vec<ImageRequest>),
}

/// An image whose config must be known.
#[derive(Clone, Debug)]
pub struct ImageRequest {
    /// Where it is.
    pub location: ImageLocation,
    /// For which platform.
    pub platform: Platform,
    /// The name as the pipeline has it.
    pub name: String,
    /// What needs it.
    pub place: Place,
}

/// A pipeline as a graph.
#[derive(Debug)]
pub struct Lowered {
    /// What is to be done.
    pub graph: Graph,
    /// The images that come of it.
    pub images: Vec<LoweredImage>,
    /// The local directories that the graph reads besides `context`: where each is, relative to the file.
    pub contexts: BTreeMap<String, PathBuf>,
    /// What the user should know, a sentence each.
    pub warnings: Vec<String>,
    /// Whether the graph reads the build context.
    pub uses_context: bool,
}

/// An image of a pipeline.
#[derive(Clone, Debug)]
pub struct LoweredImage {
    /// Its name in the file.
    pub name: String,
    /// What makes it, one for each platform.
    pub exports: Vec<LoweredExport>,
    /// Whether an index of them is wanted, even of one.
    pub is_index: bool,
    /// The names that it gets.
    pub tags: Vec<ImageReference>,
    /// The OCI layout that it is written to, besides what the command line says: a directory, relative to the current one.
    pub output: Option<PathBuf>,
}

/// An image for one platform.
#[derive(Clone, Debug)]
pub struct LoweredExport {
    /// The [`Export`](stromatekt_graph::op::Export) or [`Written`](stromatekt_graph::op::Written) that makes it.
    pub node: NodeId,
    /// The platform.
    pub platform: Platform,
    /// `SOURCE_DATE_EPOCH`, in seconds, where the pipeline or the command line sets it.
    pub source_date_epoch: Option<i64>,
}

/// What a user can say about a build besides the pipeline itself.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The images or tasks to build; all images where there is none.
    pub targets: Vec<String>,
    /// `--build-arg`: variables; one without a value is to have that of the environment, which is not set there.
    pub variables: BTreeMap<String, Option<String>>,
    /// The platforms that images are made for; those of the pipeline, or else that of the builder, where there is none.
    pub platforms: Vec<Platform>,
    /// The platform of the builder.
    pub host: Platform,
    /// `SOURCE_DATE_EPOCH`, in seconds.
    pub source_date_epoch: Option<i64>,
    /// Labels of all images, over those of the pipeline.
    pub labels: BTreeMap<String, String>,
    /// The network of steps that do not choose one.
    pub network: Network,
    /// Additional lines of `/etc/hosts` in steps.
    pub extra_hosts: Vec<(String, IpAddr)>,
    /// What bounds steps that do not say so themselves.
    pub limits: Limits,
    /// Do not look for earlier results of steps.
    pub no_cache: bool,
    /// Steps may have the host's network (`--allow network.host`); a build with that network as its default may anyway.
    pub allows_host_network: bool,
    /// Steps may have all capabilities (`--allow security.insecure`).
    pub allows_insecure: bool,
}
