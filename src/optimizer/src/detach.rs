//! `COPY --link` is done in an empty tree, and what it made is put over the tree before it: so it runs beside the steps before it, and is
//! found in the cache whatever the base has become.
//!
//! It keeps the result the same because such a copy does not look at the tree that it goes to. It replaces what is in its way, and makes the
//! directories that lead to its destination with a mode and an owner of their own, as a layer with these entries does when it comes
//! over the tree. That is what BuildKit does as well, and the layer in the image is its layer: the files with all directories that lead
//! to them, rather than those directories alone that differ from the base's.
//!
//! A copy that names its owner by a word stays: the word is looked up in the tree. And where somebody wrote down the digest of a layer with
//! such a copy in it, the copy stays, since the times of directories are in the digest.

use std::collections::HashMap;

use stromatekt_graph::file::FileAction;
use stromatekt_graph::op::{Diff, Expected, File, Scratch, Stack, StackLayer};
use stromatekt_graph::{Graph, Node, NodeId, Op};

use crate::passes::{Note, Pass};
use crate::rewrite::{self, Rewrite};

/// The graph with the copies detached that can be, and the roots in it.
#[must_use]
pub fn detach(graph: &Graph, roots: &[NodeId], notes: &mut Vec<Note>) -> (Graph, Vec<NodeId>) {
    let users = rewrite::users(graph);
    let mut rewrite = Rewrite::new(graph);
    // The layer of each detached copy, by the trees before and after it.
    let mut layers: HashMap<(NodeId, NodeId), NodeId> = HashMap::new();
    for (id, node) in graph.nodes() {
        match &node.op {
            Op::File(file) if is_link(file) => match why_not(graph, &users, id, file) {
                None => {
                    notes.push(Note::new(
                        Pass::Detach,
                        node,
                        true,
                        "detached: it does not depend on the steps before it".into(),
                    ));
                    let layer = on_its_own(&mut rewrite, id, node, file);
                    layers.insert((file.root, id), layer);
                }
                Some(reason) => {
                    let text = format!("not detached: {reason}");
                    notes.push(Note::new(Pass::Detach, node, false, text));
                    rewrite.keep(id);
                }
            },
            Op::Diff(Diff {
                lower: Some(lower),
                upper,
            }) if !roots.contains(&id) && is_layer_of_images(graph, &users[id.index()]) => {
                match layers.get(&(*lower, *upper)) {
                    Some(layer) => rewrite.put(id, *layer),
                    None => rewrite.keep(id),
                }
            }
            _ => rewrite.keep(id),
        }
    }
    rewrite.finish(roots)
}

/// Puts the copy, its layer, and the layer over the tree into the new graph; the last stands for the copy. Tells the layer.
fn on_its_own(rewrite: &mut Rewrite<'_>, id: NodeId, node: &Node, file: &File) -> NodeId {
    let with = |op, label: String| Node {
        op,
        label,
        ..node.clone()
    };
    let root = rewrite.add(Node {
        op: Op::Scratch(Scratch),
        label: "FROM scratch".into(),
        origin: None,
        no_cache: false,
    });
    let mut copies = node.op.clone();
    let mut is_root = true;
    copies.map_inputs(|input| match std::mem::take(&mut is_root) {
        true => root,
        false => rewrite.place(input),
    });
    let upper = rewrite.add(with(copies, node.label.clone()));
    let layer = rewrite.add(with(
        Op::Diff(Diff { lower: None, upper }),
        format!("layer of {}", node.label),
    ));
    let base = Some(rewrite.place(file.root));
    let over = rewrite.add(with(
        Op::Stack(Stack {
            base,
            layers: vec![StackLayer {
                changeset: layer,
                name: node.label.clone(),
            }],
            is_exclusive: false,
        }),
        format!("{} (put over the steps before it)", node.label),
    ));
    rewrite.put(id, over);
    layer
}

/// Whether all of a step is copies that do not look at the tree.
fn is_link(file: &File) -> bool {
    !file.actions.is_empty()
        && file
            .actions
            .iter()
            .all(|action| matches!(action, FileAction::Copy(copy) if copy.link))
}

fn why_not(graph: &Graph, users: &[Vec<NodeId>], id: NodeId, file: &File) -> Option<&'static str> {
    if rewrite::is_scratch(graph, file.root) {
        return Some("it depends on nothing already");
    }
    let names_owner = |action: &FileAction| match action {
        FileAction::Copy(copy) => copy
            .owner
            .as_deref()
            .is_some_and(|owner| !is_numeric(owner)),
        FileAction::MakeDirectory { .. } => true,
    };
    if file.actions.iter().any(names_owner) {
        return Some("its owner is looked up in the tree");
    }
    let expects_layer = |user: &NodeId| match &graph.node(*user).op {
        Op::Expect(expect) => matches!(expect.expected, Expected::Layer { .. }),
        _ => false,
    };
    users[id.index()]
        .iter()
        .any(expects_layer)
        .then_some("its layer must have a digest that was written down")
}

/// Whether an owner is told by numbers alone.
fn is_numeric(owner: &str) -> bool {
    owner
        .split(':')
        .all(|part| part.is_empty() || part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a difference is but a layer of images. A stack on another tree, or a description, is not given other entries than it had.
fn is_layer_of_images(graph: &Graph, users: &[NodeId]) -> bool {
    users
        .iter()
        .all(|user| matches!(graph.node(*user).op, Op::Export(_)))
}
