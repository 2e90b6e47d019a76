//! The intermediate representation: a directed acyclic graph of operations on trees. No I/O.
//!
//! Frontends append nodes, the engine executes what an export needs. A node can only name nodes that
//! were added before it, so a graph has no cycles by construction and node order is a topological order.
//!
//! - [`op`]: the operations and what flows along their edges
//! - [`mod@file`]: the actions of a [`op::File`] operation (copy, make a directory)
//! - [`layers`]: changesets: where they come from, and what they become
//! - [`export`]: images, and layers described to a step that writes one
//! - [`run`]: the process of a [`op::Run`] operation: mounts, network, security
//! - [`limits`]: what bounds that process
//! - [`graph`]: nodes, and the rules a graph obeys
//! - [`forecast`]: what is known of a node before a build
//! - [`digest`]: the definition digest: equal digest, equal work
//! - [`path`]: paths as operations have them

pub mod digest;
pub mod export;
pub mod file;
pub mod forecast;
pub mod graph;
pub mod layers;
pub mod limits;
pub mod op;
pub mod path;
pub mod run;

pub use graph::{Graph, GraphError, Node, NodeId, Origin, Part};
pub use op::{Op, ValueKind};
