//! Which operations of a graph become one timeline, and what is named between its steps.

use std::collections::{HashMap, HashSet};

use stromatekt_graph::op::Op;
use stromatekt_graph::{Graph, NodeId};

use crate::write_steps::BlobKey;

/// The tree that an operation on trees starts from; nothing inside where that is the empty one.
pub fn root(op: &Op) -> Option<Option<NodeId>> {
    match op {
        Op::Run(run) => Some(Some(run.root)),
        Op::File(file) => Some(Some(file.root)),
        Op::Stack(stack) => Some(stack.base),
        Op::Expect(expect) => Some(Some(expect.tree)),
        Op::Objects(objects) => Some(Some(objects.root)),
        _ => None,
    }
}

/// The operations on trees, as chains in which each starts from the one before and nothing else uses what is between them.
pub fn chains(graph: &Graph, needed: &[NodeId]) -> Vec<Vec<NodeId>> {
    let mut followers: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
    let mut branched: HashSet<NodeId> = HashSet::new();
    for id in needed {
        let op = &graph.node(*id).op;
        let mut inputs: Vec<NodeId> = op.inputs().into_iter().map(|(input, _)| input).collect();
        if let Some(root) = root(op) {
            if let Some(root) = root {
                followers.entry(root).or_default().push(*id);
                if let Some(position) = inputs.iter().position(|input| *input == root) {
                    inputs.remove(position);
                }
            }
            // What needs a changeset in the middle of a timeline could be needed by the rest of it.
            for input in inputs.clone() {
                if let Op::Diff(diff) = &graph.node(input).op {
                    inputs.push(diff.upper);
                }
            }
        }
        match op {
            Op::Diff(_) => {}
            _ => branched.extend(inputs),
        }
    }
    let mut chains: Vec<Vec<NodeId>> = Vec::new();
    let mut chain_of: HashMap<NodeId, usize> = HashMap::new();
    for id in needed {
        let Some(root) = root(&graph.node(*id).op) else {
            continue;
        };
        let continued = root.filter(|root| {
            !branched.contains(root) && followers.get(root).is_some_and(|all| all.len() == 1)
        });
        let chain = match continued.and_then(|root| chain_of.get(&root)) {
            Some(chain) => *chain,
            None => {
                chains.push(Vec::new());
                chains.len() - 1
            }
        };
        chains[chain].push(*id);
        chain_of.insert(*id, chain);
    }
    chains
}

/// The changesets that end at each operation of a chain, those at which one begins, and the files that are blobs.
pub struct Ending {
    /// Changesets with the trees that they begin on, by the operation that they end at.
    pub changesets: HashMap<NodeId, Vec<(NodeId, Option<NodeId>)>>,
    /// Operations behind which a changeset begins.
    pub marks: HashSet<NodeId>,
    /// Files of the tree behind an operation.
    pub blobs: HashMap<NodeId, Vec<BlobKey>>,
}

impl Ending {
    /// Those of a chain.
    pub fn of(graph: &Graph, chain: &[NodeId], needed: &[NodeId]) -> Self {
        let members: HashSet<&NodeId> = chain.iter().collect();
        let mut ending = Self {
            changesets: HashMap::new(),
            marks: HashSet::new(),
            blobs: HashMap::new(),
        };
        for id in needed {
            match &graph.node(*id).op {
                Op::Diff(diff) if members.contains(&diff.upper) => {
                    let ends = ending.changesets.entry(diff.upper).or_default();
                    ends.push((*id, diff.lower));
                    ending.marks.extend(diff.lower);
                }
                Op::Written(written) => {
                    for file in &written.blobs {
                        let files = ending.blobs.entry(file.tree).or_default();
                        let key = BlobKey::of(file);
                        if !files.contains(&key) {
                            files.push(key);
                        }
                    }
                }
                _ => {}
            }
        }
        ending
    }
}
