//! The list of passes, and what they tell of their work.

use stromatekt_graph::{Graph, Node, NodeId, Origin};

use crate::common::common;
use crate::dead::dead;
use crate::detach::detach;
use crate::files::merge_files;
use crate::split::split;

/// A pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pass {
    /// [`crate::dead`].
    Dead,
    /// [`crate::common`].
    Common,
    /// [`crate::detach`].
    Detach,
    /// [`crate::split`].
    Split,
    /// [`crate::files`].
    Files,
}

impl Pass {
    /// All passes, in the order in which they run.
    pub const ALL: [Self; 5] = [
        Self::Dead,
        Self::Detach,
        Self::Split,
        Self::Files,
        Self::Common,
    ];

    /// The word that a user says.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Common => "common",
            Self::Detach => "detach",
            Self::Split => "split",
            Self::Files => "files",
        }
    }
}

/// Which passes run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passes(Vec<Pass>);

impl Default for Passes {
    fn default() -> Self {
        Self::all()
    }
}

impl Passes {
    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Self(Pass::ALL.to_vec())
    }

    /// None: the graph stays as it is.
    #[must_use]
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Only this one.
    #[must_use]
    pub fn only(pass: Pass) -> Self {
        Self::none().with(pass)
    }

    /// These and one more.
    #[must_use]
    pub fn with(mut self, pass: Pass) -> Self {
        if !self.has(pass) {
            self.0.push(pass);
        }
        self
    }

    /// These without one.
    #[must_use]
    pub fn without(mut self, pass: Pass) -> Self {
        self.0.retain(|other| *other != pass);
        self
    }

    /// Whether a pass runs.
    #[must_use]
    pub fn has(&self, pass: Pass) -> bool {
        self.0.contains(&pass)
    }
}

/// What a pass did to a node, or why it did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The pass.
    pub pass: Pass,
    /// The label of the node before the pass.
    pub label: String,
    /// The text that the node came from.
    pub origin: Option<Origin>,
    /// Whether something was done.
    pub is_done: bool,
    /// One phrase: ``not split: `cd` changes the shell's directory``.
    pub text: String,
}

impl Note {
    pub(crate) fn new(pass: Pass, node: &Node, is_done: bool, text: String) -> Self {
        Self {
            pass,
            label: node.label.clone(),
            origin: node.origin.clone(),
            is_done,
            text,
        }
    }
}

/// A graph that gives the same images for less work.
#[derive(Clone, Debug)]
pub struct Optimized {
    /// The graph.
    pub graph: Graph,
    /// What the roots have become, in their order.
    pub roots: Vec<NodeId>,
    /// What was done, and what was not.
    pub notes: Vec<Note>,
}

/// Runs the passes over a graph of which `roots` are wanted.
#[must_use]
pub fn optimize(graph: Graph, roots: &[NodeId], passes: &Passes) -> Optimized {
    let mut notes = Vec::new();
    let (mut graph, mut roots) = (graph, roots.to_vec());
    for pass in Pass::ALL.into_iter().filter(|pass| passes.has(*pass)) {
        (graph, roots) = match pass {
            Pass::Dead => dead(&graph, &roots),
            Pass::Common => common(&graph, &roots),
            Pass::Detach => detach(&graph, &roots, &mut notes),
            Pass::Split => split(&graph, &roots, &mut notes),
            Pass::Files => merge_files(&graph, &roots, &mut notes),
        };
    }
    Optimized {
        graph,
        roots,
        notes,
    }
}
