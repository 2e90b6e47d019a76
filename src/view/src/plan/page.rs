//! The plan as one page: the picture, and the details of the step that is pointed at.

use std::fmt::Write as _;

use super::picture::{boxes, lines};
use super::{Kind, Plan, place, seconds, svg, why, word_of};
use crate::escape::Markup;
use crate::page::{Details, Page};

/// The page, as HTML.
pub fn render(plan: &Plan) -> String {
    let lines = lines(plan);
    let steps = boxes(plan).into_iter().map(|id| Details {
        id,
        title: plan.step(id).label.clone(),
        rows: rows(plan, id),
        needs: lines
            .iter()
            .filter(|line| line.to == id)
            .map(|line| line.from)
            .collect(),
    });
    Page {
        title: match plan.title.as_str() {
            "" => "Plan of a build".to_owned(),
            title => format!("Plan of {title}"),
        },
        summary: plan.summary(),
        legend: vec![
            ("runs", "would run"),
            ("cached", "cached"),
            ("unknown", "depends on a result"),
            ("waited", "a layer goes there"),
        ],
        picture: svg::inline(plan),
        below: below(plan),
        steps: steps.collect(),
    }
    .render()
}

fn rows(plan: &Plan, id: usize) -> Vec<(&'static str, String)> {
    let step = plan.step(id);
    let mut rows = vec![("state", word_of(&step.state).to_owned())];
    if !why(&step.state).is_empty() {
        rows.push(("why", why(&step.state).to_owned()));
    }
    if let Some(took) = step.seconds {
        rows.push(("last time", seconds(took)));
    }
    rows.push((
        "operation",
        format!("{}, yields a {}", step.kind.name(), step.output),
    ));
    rows.push(("wave", step.wave.to_string()));
    if let Some(origin) = &step.origin {
        rows.push(("written in", place(origin)));
    }
    let is_packed = plan
        .steps
        .iter()
        .any(|other| other.kind == Kind::Diff && other.inputs.last() == Some(&id));
    if is_packed {
        rows.push(("layer", "what it changes becomes a layer".to_owned()));
    }
    for image in plan.images.iter().filter(|image| image.step == id) {
        rows.push(("image", image.name.clone()));
    }
    rows
}

fn below(plan: &Plan) -> String {
    if plan.notes.is_empty() {
        return String::new();
    }
    let mut out = String::from("<section class=\"below\"><h2>Notes</h2><ul>");
    for note in &plan.notes {
        let _ = write!(out, "<li>{}</li>", Markup(note));
    }
    out.push_str("</ul></section>");
    out
}
