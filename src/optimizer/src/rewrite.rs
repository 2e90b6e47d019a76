//! How one graph becomes another: node by node, inputs before users, each pass saying only what differs.

use stromatekt_graph::{Graph, Node, NodeId, Op};

/// A graph that is made of another one.
pub struct Rewrite<'a> {
    old: &'a Graph,
    new: Graph,
    /// What became of the nodes of the old graph; nothing yet, or nothing at all.
    places: Vec<Option<NodeId>>,
}

impl<'a> Rewrite<'a> {
    /// Starts with an empty graph.
    pub fn new(old: &'a Graph) -> Self {
        Self {
            old,
            new: Graph::new(),
            places: vec![None; old.nodes().len()],
        }
    }

    /// Takes a node over as it is, on what became of its inputs.
    pub fn keep(&mut self, id: NodeId) {
        self.replace(id, self.old.node(id).clone());
    }

    /// Has `node`, whose inputs are still named as in the old graph, stand for `id`.
    pub fn replace(&mut self, id: NodeId, mut node: Node) {
        node.op.map_inputs(|input| self.place(input));
        let new = self.add(node);
        let parts = self.old.parts(id);
        // Whoever was first with equal work is the one that errors name.
        if !parts.is_empty() && self.new.parts(new).is_empty() {
            self.new.set_parts(new, parts.to_vec());
        }
        self.put(id, new);
    }

    /// Adds a node whose inputs are named as in the new graph.
    pub fn add(&mut self, node: Node) -> NodeId {
        self.new
            .add(node)
            .expect("a pass gives each node inputs of the type that it had")
    }

    /// Has a node of the new graph stand for one of the old.
    pub fn put(&mut self, old: NodeId, new: NodeId) {
        self.places[old.index()] = Some(new);
    }

    /// What became of a node.
    ///
    /// # Panics
    /// When it was left out: a pass may only leave out what nothing that it keeps needs.
    pub fn place(&self, old: NodeId) -> NodeId {
        self.places[old.index()].expect("inputs are rewritten before their users")
    }

    /// The new graph so far.
    pub fn graph_mut(&mut self) -> &mut Graph {
        &mut self.new
    }

    /// The new graph, with what became of the roots.
    pub fn finish(self, roots: &[NodeId]) -> (Graph, Vec<NodeId>) {
        let roots = roots.iter().map(|root| self.place(*root)).collect();
        (self.new, roots)
    }
}

/// The nodes that name each node as an input, once for each time that they do.
pub fn users(graph: &Graph) -> Vec<Vec<NodeId>> {
    let mut users = vec![Vec::new(); graph.nodes().len()];
    for (id, node) in graph.nodes() {
        for (input, _) in node.op.inputs() {
            users[input.index()].push(id);
        }
    }
    users
}

/// Whether a node is the empty tree.
pub fn is_scratch(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.node(id).op, Op::Scratch(_))
}
