//! Nodes, and the rules that a graph obeys.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stromatekt_oci::digest::Digest;

use crate::op::{Op, ValueKind};

/// A node of one graph; ids of a graph are in topological order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// The position of the node in [`Graph::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where the text that a node came from stands, for errors and progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Name of the source as the user wrote it (`Dockerfile`, `sub/app.Dockerfile`).
    pub file: Arc<str>,
    /// First line, counted from 1.
    pub first_line: u32,
    /// Last line, inclusive.
    pub last_line: u32,
}

/// One operation with what people need to know about it.
#[derive(Clone, Debug)]
pub struct Node {
    /// What is done.
    pub op: Op,
    /// The label in progress output, as buildx prints it: `[build 2/5] RUN make`.
    pub label: String,
    /// The text the node came from, if it came from a text.
    pub origin: Option<Origin>,
    /// Do not look for an earlier result (`--no-cache`, `--no-cache-filter`).
    pub no_cache: bool,
}

/// What an action of a [`File`](crate::op::File) operation is known by, where the actions came from several instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// As [`Node::label`].
    pub label: String,
    /// As [`Node::origin`].
    pub origin: Option<Origin>,
}

/// A graph under construction or finished; see the crate's documentation.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    digests: Vec<Digest>,
    by_digest: HashMap<(Digest, bool), NodeId>,
    /// One for each action; nodes with a single instruction have none.
    parts: HashMap<NodeId, Vec<Part>>,
}

/// What makes a node unacceptable.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GraphError {
    /// An input names a node that the graph does not have (yet).
    #[error("{label}: input {input} does not exist")]
    DanglingInput {
        /// Label of the refused node.
        label: String,
        /// The index that dangles.
        input: usize,
    },
    /// An input has another type than the port takes.
    #[error("{label}: an input is a {found}, but the operation takes a {expected} there")]
    WrongInput {
        /// Label of the refused node.
        label: String,
        /// What the port takes.
        expected: ValueKind,
        /// What the input node yields.
        found: ValueKind,
    },
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a node, or returns the one that does equal work already.
    ///
    /// # Errors
    /// When an input does not exist or has the wrong type.
    pub fn add(&mut self, node: Node) -> Result<NodeId, GraphError> {
        let inputs = node.op.inputs();
        for &(input, expected) in &inputs {
            let Some(source) = self.nodes.get(input.index()) else {
                return Err(GraphError::DanglingInput {
                    label: node.label,
                    input: input.index(),
                });
            };
            let found = source.op.output();
            if found != expected {
                return Err(GraphError::WrongInput {
                    label: node.label,
                    expected,
                    found,
                });
            }
        }
        let input_digests: Vec<_> = inputs
            .iter()
            .map(|(id, _)| self.digests[id.index()])
            .collect();
        let digest = crate::digest::definition(&node.op, &input_digests);
        let key = (digest, node.no_cache);
        if let Some(&id) = self.by_digest.get(&key) {
            return Ok(id);
        }
        let id = NodeId(u32::try_from(self.nodes.len()).expect("fewer than 2^32 nodes"));
        self.nodes.push(node);
        self.digests.push(digest);
        self.by_digest.insert(key, id);
        Ok(id)
    }

    /// The node of an id of this graph.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Says which instruction each action of a [`File`](crate::op::File) node came from.
    pub fn set_parts(&mut self, id: NodeId, parts: Vec<Part>) {
        self.parts.insert(id, parts);
    }

    /// Which instruction each action of a node came from; nothing where all are of the node's own.
    pub fn parts(&self, id: NodeId) -> &[Part] {
        self.parts.get(&id).map_or(&[], Vec::as_slice)
    }

    /// All nodes, inputs before users.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (NodeId, &Node)> {
        self.nodes
            .iter()
            .enumerate()
            .map(|(index, node)| (NodeId(index as u32), node))
    }

    /// The definition digest of a node: sha256 over its operation and the digests of its inputs.
    pub fn digest(&self, id: NodeId) -> &Digest {
        &self.digests[id.index()]
    }

    /// The nodes that `targets` need, themselves included, inputs before users. What is not in here is never run.
    pub fn needed(&self, targets: &[NodeId]) -> Vec<NodeId> {
        let mut wanted = vec![false; self.nodes.len()];
        let mut stack = targets.to_vec();
        while let Some(id) = stack.pop() {
            if !std::mem::replace(&mut wanted[id.index()], true) {
                stack.extend(self.nodes[id.index()].op.inputs().iter().map(|(i, _)| *i));
            }
        }
        self.nodes()
            .map(|(id, _)| id)
            .filter(|id| wanted[id.index()])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Diff, Scratch};

    fn node(op: Op) -> Node {
        Node {
            op,
            label: "test".into(),
            origin: None,
            no_cache: false,
        }
    }

    #[test]
    fn equal_work_is_one_node() {
        let mut graph = Graph::new();
        let a = graph.add(node(Op::Scratch(Scratch))).unwrap();
        let b = graph.add(node(Op::Scratch(Scratch))).unwrap();
        assert_eq!(a, b);
        assert_eq!(graph.nodes().len(), 1);
    }

    #[test]
    fn an_input_of_the_wrong_type_is_refused() {
        let mut graph = Graph::new();
        let tree = graph.add(node(Op::Scratch(Scratch))).unwrap();
        let diff = graph
            .add(node(Op::Diff(Diff {
                lower: None,
                upper: tree,
            })))
            .unwrap();
        let error = graph
            .add(node(Op::Diff(Diff {
                lower: None,
                upper: diff,
            })))
            .unwrap_err();
        assert!(matches!(error, GraphError::WrongInput { .. }), "{error}");
    }

    #[test]
    fn a_dangling_input_is_refused() {
        let mut graph = Graph::new();
        let error = graph
            .add(node(Op::Diff(Diff {
                lower: None,
                upper: NodeId(7),
            })))
            .unwrap_err();
        assert!(matches!(error, GraphError::DanglingInput { .. }), "{error}");
    }

    #[test]
    fn what_the_target_does_not_need_is_left_out() {
        let mut graph = Graph::new();
        let tree = graph.add(node(Op::Scratch(Scratch))).unwrap();
        let diff = graph
            .add(node(Op::Diff(Diff {
                lower: None,
                upper: tree,
            })))
            .unwrap();
        assert_eq!(graph.needed(&[tree]), vec![tree]);
        assert_eq!(graph.needed(&[diff]), vec![tree, diff]);
    }
}
