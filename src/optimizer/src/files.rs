//! Steps that only make directories or write texts of their own become one with their neighbours: `WORKDIR /src` and `COPY . .` are done
//! in one go, which saves a snapshot.
//!
//! It keeps the result the same because the actions of a step are done one after another in one tree, which is what two steps
//! do. Only steps become one, the first of which nobody but the second sees: no layer, no other step, nobody who asks for its tree.
//! Copies with `--link` stay alone, for several of them in one step do not meet each other as they do in several.
//!
//! Two copies stay two steps: when the files of the second change, those of the first need not be copied again; and a copy does not
//! wait for what the next one takes. What makes directories, and files whose content stands in the step, costs nothing to do again.

use std::collections::{HashMap, HashSet};

use stromatekt_graph::file::{CopySource, FileAction};
use stromatekt_graph::op::File;
use stromatekt_graph::{Graph, Node, NodeId, Op, Part};

use crate::passes::{Note, Pass};
use crate::rewrite::{self, Rewrite};

/// A step with those before it that it has taken in, on inputs of the old graph.
struct Merged {
    file: File,
    parts: Vec<Part>,
    /// Which node it is shown as: the last one that copies what may change.
    shown: NodeId,
    /// How many nodes it was.
    count: usize,
}

/// The graph with such steps in one, and the roots in it.
#[must_use]
pub fn merge_files(graph: &Graph, roots: &[NodeId], notes: &mut Vec<Note>) -> (Graph, Vec<NodeId>) {
    let users = rewrite::users(graph);
    let roots_set: HashSet<NodeId> = roots.iter().copied().collect();
    let mut rewrite = Rewrite::new(graph);
    let mut waiting: HashMap<NodeId, Merged> = HashMap::new();
    for (id, node) in graph.nodes() {
        let Op::File(file) = &node.op else {
            rewrite.keep(id);
            continue;
        };
        let merged = match waiting.remove(&file.root) {
            Some(before) => before.with(graph, id, node, file),
            None => Merged {
                file: file.clone(),
                parts: parts_of(graph, id, node, file),
                shown: id,
                count: 1,
            },
        };
        let only_user = match users[id.index()].as_slice() {
            [user] if !roots_set.contains(&id) => Some(*user),
            _ => None,
        };
        if only_user.is_some_and(|user| takes_in(graph, &merged, id, user)) {
            waiting.insert(id, merged);
            continue;
        }
        if merged.count == 1 {
            rewrite.keep(id);
            continue;
        }
        let shown = graph.node(merged.shown);
        notes.push(Note::new(
            Pass::Files,
            shown,
            true,
            format!(
                "done in one go with its neighbours, {} steps in all",
                merged.count
            ),
        ));
        rewrite.replace(
            id,
            Node {
                op: Op::File(merged.file),
                label: shown.label.clone(),
                origin: shown.origin.clone(),
                no_cache: node.no_cache,
            },
        );
        let new = rewrite.place(id);
        rewrite.graph_mut().set_parts(new, merged.parts);
    }
    rewrite.finish(roots)
}

impl Merged {
    fn with(self, graph: &Graph, id: NodeId, node: &Node, file: &File) -> Self {
        let is_shown = !is_free(file) || is_free(&self.file);
        let mut merged = self;
        merged.file.actions.extend(file.actions.iter().cloned());
        merged.parts.extend(parts_of(graph, id, node, file));
        merged.count += 1;
        if is_shown {
            merged.shown = id;
        }
        merged
    }
}

/// What each action of a node is known by.
fn parts_of(graph: &Graph, id: NodeId, node: &Node, file: &File) -> Vec<Part> {
    match graph.parts(id) {
        [] => {
            let part = Part {
                label: node.label.clone(),
                origin: node.origin.clone(),
            };
            vec![part; file.actions.len()]
        }
        parts => parts.to_vec(),
    }
}

/// Whether `user`, the only one who names `id`, can do its work as well.
fn takes_in(graph: &Graph, before: &Merged, id: NodeId, user: NodeId) -> bool {
    let (node, behind) = match graph.node(user) {
        node @ Node {
            op: Op::File(file), ..
        } => (node, file),
        _ => return false,
    };
    behind.root == id
        && node.no_cache == graph.node(id).no_cache
        && !has_link(&before.file)
        && !has_link(behind)
        && (is_free(&before.file) || is_free(behind))
}

fn has_link(file: &File) -> bool {
    let is_link = |action: &FileAction| matches!(action, FileAction::Copy(copy) if copy.link);
    file.actions.iter().any(is_link)
}

/// Whether a step costs nothing to do again.
fn is_free(file: &File) -> bool {
    file.actions.iter().all(|action| match action {
        FileAction::MakeDirectory { .. } => true,
        FileAction::Copy(copy) => matches!(copy.from, CopySource::Inline { .. }),
    })
}
