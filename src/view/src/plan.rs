//! What a build would do: its steps, what they need, what is known of them, and what can run at the same time.
//!
//! - `picture`: the steps that a picture shows, and the lines between them
//! - [`text`], [`dot`], [`json`], [`svg`], [`page`]: the renderers

pub mod dot;
pub mod json;
pub mod page;
mod picture;
pub mod svg;
#[cfg(test)]
mod tests;
pub mod text;

use std::collections::HashMap;

use stromatekt_graph::forecast::{Forecast, State};
use stromatekt_graph::{Graph, NodeId, Op, Origin, ValueKind};

/// What a build would do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What would be built, for titles.
    pub title: String,
    /// The steps that the images need, inputs before users.
    pub steps: Vec<PlanStep>,
    /// The images.
    pub images: Vec<PlanImage>,
    /// What the one who asks should know: what the optimizer did.
    pub notes: Vec<String>,
}

/// A step of a plan.
#[derive(Clone, Debug)]
pub struct PlanStep {
    /// Its number, counted from 1: its place in [`Plan::steps`] is one less.
    pub id: usize,
    /// What it is: `[build 2/5] RUN make`.
    pub label: String,
    /// Which operation it is.
    pub kind: Kind,
    /// The text that it came from.
    pub origin: Option<Origin>,
    /// The numbers of the steps whose results it takes, each once.
    pub inputs: Vec<usize>,
    /// What it yields.
    pub output: ValueKind,
    /// What is known of it.
    pub state: State,
    /// Steps of one wave do not depend on each other: they can run at the same time. Counted from 1.
    pub wave: usize,
    /// How long it took the last time.
    pub seconds: Option<f64>,
}

/// An image that would be built.
#[derive(Clone, Debug)]
pub struct PlanImage {
    /// What the user knows it by.
    pub name: String,
    /// The number of the step that yields it.
    pub step: usize,
}

/// What a graph is asked for.
#[derive(Clone, Debug)]
pub struct Root {
    /// The node.
    pub node: NodeId,
    /// What the user knows it by.
    pub name: String,
}

/// The operations, by the names that the graph has for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the operation of its name")]
pub enum Kind {
    Image,
    Context,
    Git,
    Http,
    Scratch,
    Run,
    File,
    Diff,
    Layer,
    Stack,
    Expect,
    Objects,
    Export,
    Written,
}

impl Kind {
    /// Which operation it is.
    pub fn of(op: &Op) -> Self {
        match op {
            Op::Image(_) => Self::Image,
            Op::Context(_) => Self::Context,
            Op::Git(_) => Self::Git,
            Op::Http(_) => Self::Http,
            Op::Scratch(_) => Self::Scratch,
            Op::Run(_) => Self::Run,
            Op::File(_) => Self::File,
            Op::Diff(_) => Self::Diff,
            Op::Layer(_) => Self::Layer,
            Op::Stack(_) => Self::Stack,
            Op::Expect(_) => Self::Expect,
            Op::Objects(_) => Self::Objects,
            Op::Export(_) => Self::Export,
            Op::Written(_) => Self::Written,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Context => "context",
            Self::Git => "git",
            Self::Http => "http",
            Self::Scratch => "scratch",
            Self::Run => "run",
            Self::File => "file",
            Self::Diff => "diff",
            Self::Layer => "layer",
            Self::Stack => "stack",
            Self::Expect => "expect",
            Self::Objects => "objects",
            Self::Export => "export",
            Self::Written => "written",
        }
    }

    /// Whether it is but another view of its last input: the layer that a step made, a layer of an image, nothing at all. Pictures show a
    /// line rather than a box for it.
    pub fn is_folded(self) -> bool {
        matches!(self, Self::Diff | Self::Layer | Self::Scratch)
    }
}

impl Plan {
    /// The plan for what is asked of a graph. What `forecasts` does not have is not known.
    pub fn new(
        title: String,
        graph: &Graph,
        roots: &[Root],
        forecasts: &HashMap<NodeId, Forecast>,
        notes: Vec<String>,
    ) -> Self {
        let targets: Vec<NodeId> = roots.iter().map(|root| root.node).collect();
        let needed = graph.needed(&targets);
        let mut numbers = HashMap::new();
        let mut steps: Vec<PlanStep> = Vec::new();
        for &node_id in &needed {
            let node = graph.node(node_id);
            let kind = Kind::of(&node.op);
            let mut inputs: Vec<usize> = Vec::new();
            for (input, _) in node.op.inputs() {
                // Inputs come first.
                let number = numbers[&input];
                if !inputs.contains(&number) {
                    inputs.push(number);
                }
            }
            let before = inputs.iter().map(|input| {
                let input = &steps[input - 1];
                match input.kind {
                    // Nothing is to be done for it.
                    Kind::Scratch => 0,
                    _ => input.wave,
                }
            });
            let before = before.max().unwrap_or(0);
            let wave = match kind.is_folded() && before > 0 {
                true => before,
                false => before + 1,
            };
            let forecast = forecasts.get(&node_id).cloned().unwrap_or_default();
            let id = steps.len() + 1;
            numbers.insert(node_id, id);
            steps.push(PlanStep {
                id,
                label: node.label.clone(),
                kind,
                origin: node.origin.clone(),
                inputs,
                output: node.op.output(),
                state: forecast.state,
                wave,
                seconds: forecast.seconds,
            });
        }
        let images = roots.iter().map(|root| PlanImage {
            name: root.name.clone(),
            step: numbers[&root.node],
        });
        Self {
            title,
            images: images.collect(),
            steps,
            notes,
        }
    }

    /// The step of a number.
    pub fn step(&self, id: usize) -> &PlanStep {
        &self.steps[id - 1]
    }

    /// The numbers of the steps of each wave that a person wants to see: views of other steps are left out.
    pub fn waves(&self) -> Vec<Vec<usize>> {
        let mut waves = Vec::new();
        for step in self.steps.iter().filter(|step| !step.kind.is_folded()) {
            if waves.len() < step.wave {
                waves.resize(step.wave, Vec::new());
            }
            waves[step.wave - 1].push(step.id);
        }
        waves
    }

    /// One line that says it all: `12 steps in 5 waves of up to 4 at the same time: 4 cached, 8 to run`.
    pub fn summary(&self) -> String {
        let shown = || self.steps.iter().filter(|step| !step.kind.is_folded());
        let waves = self.waves();
        let widest = waves.iter().map(Vec::len).max().unwrap_or(0);
        let mut text = format!(
            "{} in {} of up to {widest} at the same time",
            counted(shown().count(), "step"),
            counted(waves.len(), "wave"),
        );
        let count = |word| shown().filter(|step| word_of(&step.state) == word).count();
        let mut states = Vec::new();
        for (word, meaning) in [
            ("cached", "cached"),
            ("runs", "to run"),
            ("unknown", "known only when others have run"),
        ] {
            if count(word) > 0 {
                states.push(format!("{} {meaning}", count(word)));
            }
        }
        if !states.is_empty() {
            text.push_str(": ");
            text.push_str(&states.join(", "));
        }
        let known: f64 = shown()
            .filter(|step| !matches!(step.state, State::Cached))
            .filter_map(|step| step.seconds)
            .sum();
        if known > 0.0 {
            text.push_str(&format!("; last time those took {}", seconds(known)));
        }
        text
    }
}

pub(crate) fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

pub(crate) fn seconds(seconds: f64) -> String {
    let time = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    crate::timeline::seconds(time)
}

/// `Dockerfile:3`, or `Dockerfile:3-5`.
pub(crate) fn place(origin: &Origin) -> String {
    match origin.first_line == origin.last_line {
        true => format!("{}:{}", origin.file, origin.first_line),
        false => format!("{}:{}-{}", origin.file, origin.first_line, origin.last_line),
    }
}

/// The state in one word, which is also its class in pictures.
pub(crate) fn word_of(state: &State) -> &'static str {
    match state {
        State::Cached => "cached",
        State::Runs { .. } => "runs",
        State::Unknown { .. } => "unknown",
    }
}

/// Why a step would run, or why nobody knows.
pub(crate) fn why(state: &State) -> &str {
    match state {
        State::Cached => "",
        State::Runs { why } | State::Unknown { why } => why,
    }
}
