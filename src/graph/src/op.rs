//! The operations, and what flows along their edges.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use stromatekt_oci::digest::Digest;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;

pub use crate::export::{Export, ExportLayer, Object, Objects, TreeFile, Written};
use crate::file::FileAction;
use crate::graph::NodeId;
pub use crate::layers::{Diff, Expect, Expected, Layer, Stack, StackLayer};
pub use crate::run::Run;

/// The type of the value that a node yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// An immutable root filesystem state.
    Tree,
    /// What turns one tree into another.
    Changeset,
    /// One file's bytes with a file name.
    Blob,
    /// A finished image.
    Image,
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tree => "tree",
            Self::Changeset => "changeset",
            Self::Blob => "blob",
            Self::Image => "image",
        })
    }
}

/// One operation. Inputs are nodes of the same graph.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Op {
    /// The tree of an image.
    Image(Image),
    /// A local directory (the build context or a named one) as a tree.
    Context(Context),
    /// A checked-out git repository as a tree.
    Git(Git),
    /// A file fetched over HTTP(S).
    Http(Http),
    /// The empty tree.
    Scratch(Scratch),
    /// A process run on a tree.
    Run(Box<Run>),
    /// Files copied or made in a tree.
    File(File),
    /// The difference of two trees.
    Diff(Diff),
    /// A layer of an image.
    Layer(Layer),
    /// Changesets applied one after another.
    Stack(Stack),
    /// A tree that must have a certain content.
    Expect(Expect),
    /// A description of layers, written into a tree for a later step.
    Objects(Box<Objects>),
    /// An image made of a base's layers and changesets.
    Export(Box<Export>),
    /// An image whose manifest a step wrote.
    Written(Box<Written>),
}

/// The tree of an image; its config was resolved before the graph was made.
#[derive(Clone, Debug, Serialize)]
pub struct Image {
    /// Where the image comes from.
    pub source: ImageLocation,
    /// Which image of an index is meant.
    pub platform: Platform,
}

/// Where an image is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageLocation {
    /// By name: the local store first, then its registry.
    Named(ImageReference),
    /// In an OCI layout (directory or tar) or docker-archive on this machine, with the tag or digest inside of it.
    Layout {
        /// Path of the layout or archive.
        path: PathBuf,
        /// Tag (`v1`) or digest (`sha256:…`) that selects one of several images.
        selector: Option<String>,
    },
}

impl fmt::Display for ImageLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(reference) => write!(f, "{reference}"),
            Self::Layout { path, selector } => {
                write!(f, "oci-layout://{}", path.display())?;
                selector.iter().try_for_each(|s| write!(f, ":{s}"))
            }
        }
    }
}

/// A local directory as a tree. Owners are 0:0 in it, as docker's context has them.
#[derive(Clone, Debug, Serialize)]
pub struct Context {
    /// `context` is the build context; other names were given with `--build-context`.
    pub name: String,
}

/// A git repository at a commit.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Git {
    /// Remote URL as git takes it.
    pub remote: String,
    /// Branch, tag, ref or commit; the remote's HEAD without.
    pub reference: Option<String>,
    /// A folder of the repository to take instead of its top.
    pub subdirectory: Option<String>,
    /// Keep `.git` in the tree.
    pub keep_git_dir: bool,
    /// The commit that must be found.
    pub checksum: Option<String>,
    /// Leave the submodules out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skip_submodules: bool,
    /// Give all files the time of the commit, rather than that of the checkout.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub commit_time: bool,
    /// Fetch the commit of `checksum` without asking where the reference is, which is but its name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fetch_by_commit: bool,
}

/// A file fetched over HTTP(S).
#[derive(Clone, Debug, Serialize)]
pub struct Http {
    /// The URL.
    pub url: String,
    /// The digest that the body must have.
    pub checksum: Option<Digest>,
}

/// The empty tree.
#[derive(Clone, Debug, Serialize)]
pub struct Scratch;

/// Files copied or made in a tree, in order.
#[derive(Clone, Debug, Serialize)]
pub struct File {
    /// The tree to start from.
    pub root: NodeId,
    /// What is done to it.
    pub actions: Vec<FileAction>,
}

impl Op {
    /// What the operation yields.
    pub fn output(&self) -> ValueKind {
        match self {
            Self::Image(_)
            | Self::Context(_)
            | Self::Git(_)
            | Self::Scratch(_)
            | Self::Run(_)
            | Self::File(_)
            | Self::Stack(_)
            | Self::Expect(_)
            | Self::Objects(_) => ValueKind::Tree,
            Self::Http(_) => ValueKind::Blob,
            Self::Diff(_) | Self::Layer(_) => ValueKind::Changeset,
            Self::Export(_) | Self::Written(_) => ValueKind::Image,
        }
    }

    /// The inputs with the type that each must have, in a fixed order.
    pub fn inputs(&self) -> Vec<(NodeId, ValueKind)> {
        let mut found = Vec::new();
        // One visitor serves reading and rewriting; the copy is thrown away.
        self.clone()
            .visit_inputs(&mut |id, kind| found.push((*id, kind)));
        found
    }

    /// Rewrites the inputs, in the order of [`Op::inputs`].
    pub fn map_inputs(&mut self, mut map: impl FnMut(NodeId) -> NodeId) {
        self.visit_inputs(&mut |id, _| *id = map(*id));
    }

    fn visit_inputs(&mut self, visit: &mut dyn FnMut(&mut NodeId, ValueKind)) {
        match self {
            Self::Image(_) | Self::Context(_) | Self::Git(_) | Self::Http(_) | Self::Scratch(_) => {
            }
            Self::Run(run) => run.visit_inputs(visit),
            Self::File(file) => {
                visit(&mut file.root, ValueKind::Tree);
                for action in &mut file.actions {
                    action.visit_inputs(visit);
                }
            }
            Self::Diff(diff) => diff.visit_inputs(visit),
            Self::Layer(layer) => visit(&mut layer.image, ValueKind::Tree),
            Self::Stack(stack) => stack.visit_inputs(visit),
            Self::Expect(expect) => expect.visit_inputs(visit),
            Self::Objects(objects) => objects.visit_inputs(visit),
            Self::Export(export) => export.visit_inputs(visit),
            Self::Written(written) => written.visit_inputs(visit),
        }
    }
}
