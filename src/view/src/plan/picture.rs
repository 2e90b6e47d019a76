//! The steps that a picture shows, and the lines between them. Views of other steps (the layer that a step made) are lines, not boxes, so
//! that a picture has as many boxes as there is work.

use std::collections::HashMap;

use stromatekt_graph::ValueKind;

use super::{Kind, Plan};
use crate::layout::{Bundle, Drawing, Edge, Shape, Side};

/// A line of a picture: the result of one step that another takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The number of the step that yields.
    pub from: usize,
    /// The number of the step that takes.
    pub to: usize,
    /// What flows.
    pub kind: ValueKind,
}

/// The steps that are boxes.
pub(super) fn boxes(plan: &Plan) -> Vec<usize> {
    let shown = plan.steps.iter().filter(|step| !step.kind.is_folded());
    shown.map(|step| step.id).collect()
}

/// The lines between the boxes.
pub(super) fn lines(plan: &Plan) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for step in plan.steps.iter().filter(|step| !step.kind.is_folded()) {
        for &input in &step.inputs {
            let mut from = plan.step(input);
            let kind = from.output;
            // The last input of a diff is the step that made the layer.
            while from.kind.is_folded() {
                let Some(&last) = from.inputs.last() else {
                    break;
                };
                from = plan.step(last);
            }
            let is_drawn = lines
                .iter()
                .any(|line| (line.from, line.to) == (from.id, step.id));
            if from.kind != Kind::Scratch && !is_drawn {
                lines.push(Line {
                    from: from.id,
                    to: step.id,
                    kind,
                });
            }
        }
    }
    lines
}

/// The places of boxes and lines, both in the order of [`boxes`] and [`lines`].
pub(super) fn drawing(plan: &Plan, shape: Shape) -> Drawing {
    let boxes = boxes(plan);
    let places: HashMap<usize, usize> = boxes
        .iter()
        .zip(0..)
        .map(|(id, place)| (*id, place))
        .collect();
    let layers: Vec<usize> = boxes.iter().map(|id| plan.step(*id).wave - 1).collect();
    let edges: Vec<Edge> = lines(plan)
        .iter()
        .map(|line| Edge {
            from: places[&line.from],
            to: places[&line.to],
            // Layers gather on their way to the image; a tree spreads from its step.
            bundle: match line.kind {
                ValueKind::Changeset => Bundle(Side::To, places[&line.to]),
                _ => Bundle(Side::From, places[&line.from]),
            },
        })
        .collect();
    crate::layout::draw(&layers, &edges, shape)
}
