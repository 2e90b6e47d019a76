//! The plan as a picture: waves side by side, or one beneath the other where that is the better shape.

use std::fmt::Write as _;

use stromatekt_graph::ValueKind;

use super::picture::{Line, boxes, drawing, lines};
use super::{Plan, seconds, why, word_of};
use crate::escape::{Markup, shorten};
use crate::layout::{Drawing, Point, Shape};
use crate::page::COLOURS;

const STYLE: &str = include_str!("svg.css");

/// A box, and how many letters fit into it: of the label, and of the smaller line beneath.
const WIDTH: f64 = 252.0;
const HEIGHT: f64 = 38.0;
const LETTERS: usize = 33;
const SMALL_LETTERS: usize = 39;
/// Around everything, and above the first box for the name of its wave.
const MARGIN: f64 = 12.0;
const HEAD: f64 = 22.0;
/// What a window is wide and high, about: the shape that the picture should have.
const WINDOW: f64 = 1.5;

/// In which direction the waves follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Right,
    Down,
}

/// The picture as a file of its own.
pub fn render(plan: &Plan) -> String {
    let style = format!(
        "<style>\n{COLOURS}{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"var(--paper)\"/>\n"
    );
    picture(plan, &style)
}

/// The picture as a part of a page, which has the colours.
pub(super) fn inline(plan: &Plan) -> String {
    picture(plan, &format!("<style>\n{STYLE}</style>\n"))
}

impl Flow {
    fn shape(self) -> Shape {
        let (depth, breadth) = match self {
            Self::Right => (WIDTH, HEIGHT),
            Self::Down => (HEIGHT, WIDTH),
        };
        Shape {
            layer_gap: if self == Self::Right { 56.0 } else { 40.0 },
            slope: 0.06,
            box_gap: if self == Self::Right { 12.0 } else { 16.0 },
            line_gap: 9.0,
            depth,
            breadth,
        }
    }

    /// Width and height, x and y of what the drawing has as depth and breadth.
    fn turn(self, point: Point) -> (f64, f64) {
        match self {
            Self::Right => (point.deep, point.along),
            Self::Down => (point.along, point.deep),
        }
    }
}

fn picture(plan: &Plan, style: &str) -> String {
    let drawn = [Flow::Right, Flow::Down].map(|flow| (flow, drawing(plan, flow.shape())));
    // The one that is nearer to the shape of a window.
    let [right, down] = drawn;
    let strain = |(flow, drawing): &(Flow, Drawing)| {
        let (width, height) = flow.turn(drawing.size);
        (width.max(1.0) / height.max(1.0) / WINDOW).ln().abs()
    };
    let (flow, drawing) = if strain(&right) <= strain(&down) {
        right
    } else {
        down
    };
    let place = |point: Point| {
        let (x, y) = flow.turn(point);
        match flow {
            Flow::Right => (x + MARGIN, y + MARGIN + HEAD),
            // The name of a wave stands left of it.
            Flow::Down => (x + MARGIN + 64.0, y + MARGIN),
        }
    };
    let (width, height) = place(drawing.size);
    let (width, height) = (width + MARGIN, height + MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plan\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         style=\"width:calc({width:.0}px * var(--zoom, 1));height:auto\" width=\"{width:.0}\" height=\"{height:.0}\">\n{style}"
    );
    let numbers = boxes(plan);
    let waves = plan.waves().len();
    for wave in 1..=waves {
        let Some(index) = numbers.iter().position(|id| plan.step(*id).wave == wave) else {
            continue;
        };
        let (x, y) = place(drawing.boxes[index]);
        let (x, y) = match flow {
            Flow::Right => (x - WIDTH / 2.0, MARGIN + 8.0),
            Flow::Down => (MARGIN, y + 4.0),
        };
        let _ = writeln!(
            out,
            "<text class=\"wave\" x=\"{x:.1}\" y=\"{y:.1}\">wave {wave}</text>"
        );
    }
    for (line, points) in lines(plan).iter().zip(&drawing.lines) {
        draw_line(
            &mut out,
            line,
            flow,
            points.iter().map(|point| place(*point)),
        );
    }
    for (id, point) in numbers.iter().zip(&drawing.boxes) {
        draw_box(&mut out, plan, *id, place(*point));
    }
    out.push_str("</svg>\n");
    out
}

/// Curves between the layers, straight through them.
fn draw_line(out: &mut String, line: &Line, flow: Flow, points: impl Iterator<Item = (f64, f64)>) {
    let class = match line.kind {
        ValueKind::Changeset => "line changeset",
        _ => "line",
    };
    let _ = write!(
        out,
        "<path class=\"{class}\" data-from=\"{}\" data-to=\"{}\" d=\"",
        line.from, line.to
    );
    let mut before: Option<(f64, f64)> = None;
    for (index, (x, y)) in points.enumerate() {
        match before {
            None => {
                let _ = write!(out, "M{x:.1} {y:.1}");
            }
            // Every other stretch is that through a layer.
            Some(_) if index % 2 == 0 => {
                let _ = write!(out, "L{x:.1} {y:.1}");
            }
            Some((x0, y0)) => {
                let (one, other) = match flow {
                    Flow::Right => (((x0 + x) / 2.0, y0), ((x0 + x) / 2.0, y)),
                    Flow::Down => ((x0, (y0 + y) / 2.0), (x, (y0 + y) / 2.0)),
                };
                let _ = write!(
                    out,
                    "C{:.1} {:.1} {:.1} {:.1} {x:.1} {y:.1}",
                    one.0, one.1, other.0, other.1
                );
            }
        }
        before = Some((x, y));
    }
    out.push_str("\"/>\n");
}

fn draw_box(out: &mut String, plan: &Plan, id: usize, (x, y): (f64, f64)) {
    let step = plan.step(id);
    let (left, top) = (x - WIDTH / 2.0, y - HEIGHT / 2.0);
    let mut about = word_of(&step.state).to_owned();
    if let Some(took) = step.seconds {
        let _ = write!(about, ", {}", seconds(took));
    }
    if !why(&step.state).is_empty() {
        about.push_str(": ");
        about.push_str(why(&step.state));
    }
    let (label, about) = (
        shorten(&step.label, LETTERS),
        shorten(&about, SMALL_LETTERS),
    );
    let _ = writeln!(
        out,
        "<g class=\"box {}\" data-step=\"{id}\" tabindex=\"0\"><title>{}</title><rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\">{}</text><text class=\"about\" x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
        word_of(&step.state),
        Markup(&step.label),
        left + 8.0,
        top + 16.0,
        Markup(&label),
        left + 8.0,
        top + 30.0,
        Markup(&about),
    );
}
