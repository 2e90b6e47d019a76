//! The plan as text: a line for each step, wave by wave.
//!
//! ```text
//! app: 5 steps in 4 waves of up to 2 at the same time: 2 cached, 3 to run
//!
//! wave 1
//!   1 cached          [build 1/3] FROM docker.io/library/busybox
//!   2 cached          [internal] load build context
//! wave 2
//!   3 runs     1 2    [build 2/3] COPY . /src                        the files it copies changed
//! ```

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use super::picture::lines;
use super::{Plan, seconds, why, word_of};
use crate::escape::{line, shorten};

/// How wide the columns of needs, labels and reasons may become.
const NEEDS: usize = 18;
const LABEL: usize = 64;
const REASON: usize = 160;

/// The text.
pub fn render(plan: &Plan) -> String {
    let mut out = match plan.title.as_str() {
        "" => format!("{}\n", plan.summary()),
        title => format!("{}: {}\n", line(title), plan.summary()),
    };
    let lines = lines(plan);
    let needs = |id: usize| {
        let needed = lines.iter().filter(|line| line.to == id);
        let needed: Vec<String> = needed.map(|line| line.from.to_string()).collect();
        shorten(&needed.join(" "), NEEDS)
    };
    let waves = plan.waves();
    let shown = || waves.iter().flatten().copied();
    let number_width = plan.steps.len().to_string().len();
    let needs_width = shown().map(|id| needs(id).width()).max().unwrap_or(0);
    let label = |id: usize| shorten(&plan.step(id).label, LABEL);
    let label_width = shown().map(|id| label(id).width()).max().unwrap_or(0);
    for (index, wave) in waves.iter().enumerate() {
        let _ = writeln!(out, "\nwave {}", index + 1);
        for &id in wave {
            let step = plan.step(id);
            let mut about = Vec::new();
            if !why(&step.state).is_empty() {
                about.push(shorten(why(&step.state), REASON));
            }
            if let Some(took) = step.seconds {
                about.push(format!("last time {}", seconds(took)));
            }
            let row = format!(
                "  {id:>number_width$} {:<7}  {}  {}  {}",
                word_of(&step.state),
                padded(&needs(id), needs_width),
                padded(&label(id), label_width),
                about.join("; "),
            );
            let _ = writeln!(out, "{}", row.trim_end());
        }
    }
    if !plan.images.is_empty() {
        out.push_str("\nimages\n");
        for image in &plan.images {
            let _ = writeln!(out, "  {:>number_width$} {}", image.step, line(&image.name));
        }
    }
    if !plan.notes.is_empty() {
        out.push_str("\nnotes\n");
        for note in &plan.notes {
            let _ = writeln!(out, "  {}", line(note));
        }
    }
    out
}

fn padded(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(missing))
}
