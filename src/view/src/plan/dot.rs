//! The plan for Graphviz (`dot -Tsvg`).

use std::fmt::Write as _;

use stromatekt_graph::ValueKind;
use stromatekt_graph::forecast::State;

use super::picture::{boxes, lines};
use super::{Plan, why};
use crate::escape::shorten;

const LABEL: usize = 60;

/// The graph in Graphviz' language.
pub fn render(plan: &Plan) -> String {
    let mut out = format!(
        "digraph plan {{\n  label={};\n  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", fontname=monospace, fontsize=10];\n",
        quoted(&plan.title)
    );
    for id in boxes(plan) {
        let step = plan.step(id);
        let (colour, fill, style) = match step.state {
            State::Cached => ("#4c8a3f", "#ebf4e8", "rounded,filled"),
            State::Runs { .. } => ("#2468d6", "#e4eefc", "rounded,filled"),
            State::Unknown { .. } => ("#a46f00", "#fbf1dc", "rounded,filled,dashed"),
        };
        let label = shorten(&step.label, LABEL);
        let reason = why(&step.state);
        let tooltip = match reason {
            "" => step.label.clone(),
            reason => format!("{}: {reason}", step.label),
        };
        let _ = writeln!(
            out,
            "  {id} [label={}, tooltip={}, color=\"{colour}\", fillcolor=\"{fill}\", style=\"{style}\"];",
            quoted(&label),
            quoted(&tooltip),
        );
    }
    for line in lines(plan) {
        let style = match line.kind {
            ValueKind::Changeset => " [style=dashed, tooltip=layer]",
            _ => "",
        };
        let _ = writeln!(out, "  {} -> {}{style};", line.from, line.to);
    }
    out.push_str("}\n");
    out
}

/// A quoted string: quotes, what would escape something, and what would be read as an entity of HTML have to be escaped.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '&' => out.push_str("&amp;"),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}
