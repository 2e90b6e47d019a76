//! What units become: trees, the layers that they are made of, and the config that goes with them.

use std::rc::Rc;

use stromatekt_graph::NodeId;
use stromatekt_oci::config::{History, ImageConfig};

/// What a unit became.
#[derive(Clone, Debug)]
pub struct Made {
    /// Its tree.
    pub tree: NodeId,
    /// The [`Image`](stromatekt_graph::op::Image) whose layers come first, if there is one.
    pub base: Option<NodeId>,
    /// The layers on top of that, all of them.
    pub layers: Vec<MadeLayer>,
    /// How many of those are not the unit's own.
    pub inherited: usize,
    /// How it was made, as far as its layers and its base tell.
    pub history: Vec<History>,
    /// How many entries of that are the base's.
    pub base_history: usize,
    /// What an image of it starts as. Its history is none of this.
    pub config: Rc<ImageConfig>,
    /// The fetched file, of a unit that is one, and its URL.
    pub blob: Option<(NodeId, String)>,
}

/// A layer.
#[derive(Clone, Debug)]
pub struct MadeLayer {
    /// The changeset.
    pub changeset: NodeId,
    /// The tree below.
    pub below: Below,
    /// The tree with it, where one is known.
    pub upper: Option<NodeId>,
    /// Of a layer of an image: that image's tree, the layer's number, and how many there are.
    pub of_image: Option<(NodeId, usize, usize)>,
    /// What the user knows it by.
    pub name: String,
    /// Its entry in [`Made::history`].
    pub history: usize,
}

/// The tree below a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Below {
    /// The empty one.
    Empty,
    /// This one.
    Tree(NodeId),
    /// None that is a node.
    Unknown,
}

impl Made {
    /// Its own layers.
    pub fn own(&self) -> &[MadeLayer] {
        self.layers.get(self.inherited..).unwrap_or_default()
    }
}
