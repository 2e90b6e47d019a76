//! What no root needs is dropped.
//!
//! It keeps the result the same because the engine executes what an export needs and nothing else: what is dropped here was never
//! executed. What it saves is the look at it, by other passes and by people who look at a picture of the plan. Differences of trees
//! that no image, description or stack names are among it: frontends may make one for each step, and no pass has to think of them.

use stromatekt_graph::{Graph, NodeId};

use crate::rewrite::Rewrite;

/// The graph without what `roots` do not need, and the roots in it.
#[must_use]
pub fn dead(graph: &Graph, roots: &[NodeId]) -> (Graph, Vec<NodeId>) {
    let mut rewrite = Rewrite::new(graph);
    for id in graph.needed(roots) {
        rewrite.keep(id);
    }
    rewrite.finish(roots)
}
