//! The operations on changesets: where they come from, and what they become.

use serde::Serialize;
use stromatekt_oci::digest::Digest;

use crate::graph::NodeId;
use crate::op::ValueKind;

/// The difference of two trees, the second of which came from the first.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// The tree before; the empty tree where absent.
    pub lower: Option<NodeId>,
    /// The tree after.
    pub upper: NodeId,
}

/// A layer of an image, as the image has it: in an export it keeps its blob, byte for byte.
#[derive(Clone, Debug, Serialize)]
pub struct Layer {
    /// An [`Op::Image`](crate::Op::Image).
    pub image: NodeId,
    /// Which layer, the lowest is 0.
    pub index: usize,
}

/// Changesets applied to a tree one after another, each with what its layer says: entries that are there are replaced, whiteouts remove.
#[derive(Clone, Debug, Serialize)]
pub struct Stack {
    /// What is below; the empty tree where absent.
    pub base: Option<NodeId>,
    /// The changesets, the lowest first.
    pub layers: Vec<StackLayer>,
    /// Two changesets that leave different things at one path are an error, unless the later one began with what the earlier one left
    /// there: nobody said which of them is to win. Of directories, only owner and mode count.
    pub is_exclusive: bool,
}

/// A changeset of a stack.
#[derive(Clone, Debug, Serialize)]
pub struct StackLayer {
    /// An [`Op::Diff`](crate::Op::Diff) or [`Op::Layer`](crate::Op::Layer).
    pub changeset: NodeId,
    /// What the user knows it by, for errors.
    #[serde(skip)]
    pub name: String,
}

/// A tree, as it is, once it is known to have a certain content. The build fails where it has another.
#[derive(Clone, Debug, Serialize)]
pub struct Expect {
    /// The tree, which is also the result.
    pub tree: NodeId,
    /// What is expected of it.
    pub expected: Expected,
}

/// What is expected of a tree.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// The digest of all that is in it: paths, types, modes, owners, contents, link targets and extended attributes; no times.
    Tree(Digest),
    /// The digest of a file's content.
    File {
        /// Absolute path; symlinks in it are followed beneath the root.
        path: String,
        /// The digest of its bytes.
        digest: Digest,
    },
    /// The diff_id of the layer between another tree and this one.
    Layer {
        /// The tree before; the empty tree where absent.
        lower: Option<NodeId>,
        /// The digest of the uncompressed layer.
        diff_id: Digest,
    },
}

impl Diff {
    pub(crate) fn visit_inputs(&mut self, visit: &mut dyn FnMut(&mut NodeId, ValueKind)) {
        if let Some(lower) = &mut self.lower {
            visit(lower, ValueKind::Tree);
        }
        visit(&mut self.upper, ValueKind::Tree);
    }
}

impl Stack {
    pub(crate) fn visit_inputs(&mut self, visit: &mut dyn FnMut(&mut NodeId, ValueKind)) {
        if let Some(base) = &mut self.base {
            visit(base, ValueKind::Tree);
        }
        for layer in &mut self.layers {
            visit(&mut layer.changeset, ValueKind::Changeset);
        }
    }
}

impl Expect {
    pub(crate) fn visit_inputs(&mut self, visit: &mut dyn FnMut(&mut NodeId, ValueKind)) {
        visit(&mut self.tree, ValueKind::Tree);
        if let Expected::Layer {
            lower: Some(lower), ..
        } = &mut self.expected
        {
            visit(lower, ValueKind::Tree);
        }
    }
}
