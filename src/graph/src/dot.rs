//! A picture of a graph in Graphviz's language.

use std::fmt::Write;

use crate::graph::Graph;

/// The graph as a `digraph`, inputs above users, a node's label as progress prints it.
pub fn dot(graph: &Graph) -> String {
    let mut text = String::from("digraph build {\n  node [shape=box];\n");
    for (id, node) in graph.nodes() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  n{} [label={:?}];", id.index(), node.label);
        for (input, kind) in node.op.inputs() {
            let _ = writeln!(
                text,
                "  n{} -> n{} [label=\"{kind}\"];",
                input.index(),
                id.index()
            );
        }
    }
    text.push_str("}\n");
    text
}
