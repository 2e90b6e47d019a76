//! The operations at the end of a graph: layers become images, or are described to a step that writes an image itself.

use std::collections::BTreeMap;

use serde::Serialize;
use stromatekt_oci::compress::Compression;
use stromatekt_oci::config::ImageConfig;
use stromatekt_oci::digest::Digest;

use crate::graph::NodeId;
use crate::op::ValueKind;

/// An image: the layers of a base, then changesets, and a config.
#[derive(Clone, Debug, Serialize)]
pub struct Export {
    /// An [`Op::Image`](crate::Op::Image) whose layers come first, as they are; none for an image from scratch.
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
    /// An [`Op::Diff`](crate::Op::Diff) or [`Op::Layer`](crate::Op::Layer).
    pub changeset: NodeId,
    /// Which entry of the config's history gets the time of the layer, if one does.
    pub history: Option<usize>,
}

/// A description of layers as JSON, written into a tree for a later step.
///
/// The file is an object with a member for each of [`Objects::objects`]: a list of the layers, the lowest first, each with the members
/// `mediaType`, `digest`, `size` (image-spec `descriptor.md`) and `diffID`.
#[derive(Clone, Debug, Serialize)]
pub struct Objects {
    /// The tree to start from.
    pub root: NodeId,
    /// Where the file is written, absolute; directories that lead there are made.
    pub path: String,
    /// What is described.
    pub objects: Vec<Object>,
}

/// Layers with a name.
#[derive(Clone, Debug, Serialize)]
pub struct Object {
    /// The name that a step knows them by.
    pub name: String,
    /// An [`Op::Image`](crate::Op::Image) whose layers come first, as they are.
    pub base: Option<NodeId>,
    /// Changesets on top, the lowest first.
    pub layers: Vec<NodeId>,
    /// How new layers are compressed.
    pub compression: Compression,
}

/// An image whose manifest and config steps wrote as files.
#[derive(Clone, Debug, Serialize)]
pub struct Written {
    /// The tree with the manifests.
    pub tree: NodeId,
    /// Absolute paths of the manifests (image-spec `manifest.md`).
    pub manifests: Vec<String>,
    /// Whether an index of the manifests is the result, even of one.
    pub is_index: bool,
    /// Annotations of that index.
    pub annotations: BTreeMap<String, String>,
    /// The layers that a manifest may name.
    pub objects: Vec<Object>,
    /// The other blobs that a manifest may name: configs.
    pub blobs: Vec<TreeFile>,
}

/// A file of a tree that is a blob.
#[derive(Clone, Debug, Serialize)]
pub struct TreeFile {
    /// The tree.
    pub tree: NodeId,
    /// Absolute path in it.
    pub path: String,
    /// The media type that a manifest must give it.
    pub media_type: Option<String>,
    /// The digest that it must have.
    pub digest: Option<Digest>,
}

impl Export {
    pub(crate) fn visit_inputs(&mut self, visit: &mut dyn FnMut(&mut NodeId, ValueKind)) {
        if let Some(base) = &mut self.base {
            visit(base, ValueKind::Tree);
        }
        for layer in &mut self.layers {
            visit(&mut layer.changeset, ValueKind::Changeset);
        }
        visit(&mut self.tree, ValueKind::Tree);
    }
}

impl Object {
    fn visit_inputs(&mut self, visit: &mut dyn FnMut(&mut NodeId, ValueKind)) {
        if let Some(base) = &mut self.base {
            visit(base, ValueKind::Tree);
        }
        for layer in &mut self.layers {
            visit(layer, ValueKind::Changeset);
        }
    }
}

impl Objects {
    pub(crate) fn visit_inputs(&mut self, visit: &mut dyn FnMut(&mut NodeId, ValueKind)) {
        visit(&mut self.root, ValueKind::Tree);
        for object in &mut self.objects {
            object.visit_inputs(visit);
        }
    }
}

impl Written {
    pub(crate) fn visit_inputs(&mut self, visit: &mut dyn FnMut(&mut NodeId, ValueKind)) {
        visit(&mut self.tree, ValueKind::Tree);
        for object in &mut self.objects {
            object.visit_inputs(visit);
        }
        for blob in &mut self.blobs {
            visit(&mut blob.tree, ValueKind::Tree);
        }
    }
}
