//! Equal nodes become one.
//!
//! It keeps the result the same because a definition digest covers all that a result depends on: the operation, and the digests of its
//! inputs. A graph does it by itself for what is appended to it; this pass appends everything anew, so that nodes that have become equal
//! since by other passes meet, too.

use stromatekt_graph::{Graph, NodeId};

use crate::rewrite::Rewrite;

/// The graph with each piece of work in it once, and the roots in it.
#[must_use]
pub fn common(graph: &Graph, roots: &[NodeId]) -> (Graph, Vec<NodeId>) {
    let mut rewrite = Rewrite::new(graph);
    for (id, _) in graph.nodes() {
        rewrite.keep(id);
    }
    rewrite.finish(roots)
}
