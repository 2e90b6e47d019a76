//! The operations, and what flows along their edges.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use stromatekt_oci::config::ImageConfig;
use stromatekt_oci::digest::Digest;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;

use crate::file::FileAction;
use crate::graph::NodeId;
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
    /// An image made of a base's layers and changesets.
    Export(Box<Export>),
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

/// The difference of two trees, the second of which came from the first.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// The tree before; the empty tree where absent.
    pub lower: Option<NodeId>,
    /// The tree after.
    pub upper: NodeId,
}

/// An image: the layers of a base, then changesets, and a config.
#[derive(Clone, Debug, Serialize)]
pub struct Export {
    /// An [`Op::Image`] whose layers come first, as they are; none for an image from scratch.
    pub base: Option<NodeId>,
    /// Layers on top, in order.
    pub layers: Vec<ExportLayer>,
    /// The whole config but `rootfs.diff_ids`, which the engine writes. `history` is complete.
    pub config: ImageConfig,
    /// The tree after the last layer, for outputs that are a tree.
    pub tree: NodeId,
}

/// A layer of an export.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ExportLayer {
    /// An [`Op::Diff`].
    pub changeset: NodeId,
    /// Which entry of the config's history it belongs to: the engine sets the entry's time to the layer's.
    pub history: usize,
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
            | Self::File(_) => ValueKind::Tree,
            Self::Http(_) => ValueKind::Blob,
            Self::Diff(_) => ValueKind::Changeset,
            Self::Export(_) => ValueKind::Image,
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
            Self::Diff(diff) => {
                if let Some(lower) = &mut diff.lower {
                    visit(lower, ValueKind::Tree);
                }
                visit(&mut diff.upper, ValueKind::Tree);
            }
            Self::Export(export) => {
                if let Some(base) = &mut export.base {
                    visit(base, ValueKind::Tree);
                }
                for layer in &mut export.layers {
                    visit(&mut layer.changeset, ValueKind::Changeset);
                }
                visit(&mut export.tree, ValueKind::Tree);
            }
        }
    }
}
