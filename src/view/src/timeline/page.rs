//! The timeline as one page: a row for each step, a bar for the time that it worked, dots for what it waited after its last input, lines
//! along the critical path and to what a step waited for.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use super::{Link, Outcome, Step, Timeline, bytes, seconds};
use crate::escape::Markup;
use crate::page::{Details, Page};
use crate::plan::{counted, place};

const STYLE: &str = include_str!("page.css");
/// Pixels of a row, as in the style.
const ROW: f64 = 22.0;
/// The width of the chart in the units of its lines.
const WIDTH: f64 = 1000.0;
/// A wait that is shorter than this share of the build is not drawn.
const SHORT_WAIT: f64 = 0.002;

/// The page, as HTML.
pub fn render(timeline: &Timeline) -> String {
    let path = timeline.critical_path();
    let chart = Chart {
        timeline,
        path: &path,
        end: timeline.took.as_secs_f64().max(1e-6),
    };
    Page {
        title: match timeline.title.as_str() {
            "" => "Timeline of a build".to_owned(),
            title => format!("Timeline of {title}"),
        },
        summary: summary(timeline, &path),
        legend: legend(timeline),
        picture: chart.picture(),
        below: chart.table(),
        steps: (0..timeline.steps.len())
            .map(|id| details(timeline, &path, id))
            .collect(),
    }
    .render()
}

fn count(timeline: &Timeline, wanted: fn(&Outcome) -> bool) -> usize {
    let steps = timeline.steps.iter();
    steps.filter(|step| wanted(&step.outcome)).count()
}

fn summary(timeline: &Timeline, path: &[Link]) -> String {
    let mut text = format!(
        "{} in all, {}: {} ran, {} cached",
        seconds(timeline.took),
        counted(timeline.steps.len(), "step"),
        count(timeline, |outcome| *outcome == Outcome::Done),
        count(timeline, |outcome| *outcome == Outcome::Cached),
    );
    for (number, word) in [
        (
            count(timeline, |outcome| matches!(outcome, Outcome::Failed(_))),
            "failed",
        ),
        (
            count(timeline, |outcome| *outcome == Outcome::Canceled),
            "canceled",
        ),
    ] {
        if number > 0 {
            let _ = write!(text, ", {number} {word}");
        }
    }
    let worked: Duration = path
        .iter()
        .filter_map(|link| timeline.steps[link.step].span)
        .map(super::Span::took)
        .sum();
    let waited: Duration = path.iter().map(|link| link.waited).sum();
    let _ = write!(
        text,
        "; the critical path is {} that worked {} and waited {}. Began at {}.",
        counted(path.len(), "step"),
        seconds(worked),
        seconds(waited),
        stromatekt_oci::time::rfc3339(whole_seconds(timeline.began))
    );
    text
}

fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.unwrap_or_default().as_secs())
}

fn legend(timeline: &Timeline) -> Vec<(&'static str, &'static str)> {
    let mut legend = vec![
        ("critical", "on the critical path"),
        ("done", "ran"),
        ("cached", "cached"),
    ];
    if count(timeline, |outcome| matches!(outcome, Outcome::Failed(_))) > 0 {
        legend.push(("failed", "failed"));
    }
    if count(timeline, |outcome| *outcome == Outcome::Canceled) > 0 {
        legend.push(("canceled", "canceled"));
    }
    legend.push(("waited", "ready, but not at work"));
    legend
}

struct Chart<'a> {
    timeline: &'a Timeline,
    path: &'a [Link],
    /// Seconds at the right end.
    end: f64,
}

impl Chart<'_> {
    fn picture(&self) -> String {
        let mut out = format!(
            "<style>\n{STYLE}</style>\n<div class=\"timeline\"><div class=\"axis\"><span></span><div class=\"ticks\">"
        );
        let ticks = ticks(self.end);
        for tick in &ticks {
            let _ = write!(
                out,
                "<span style=\"left:{:.3}%\">{}</span>",
                self.share(*tick) * 100.0,
                tick_label(*tick)
            );
        }
        out.push_str("</div></div><div class=\"rows\"><div class=\"grid\">");
        for tick in &ticks {
            let _ = write!(
                out,
                "<i style=\"left:{:.3}%\"></i>",
                self.share(*tick) * 100.0
            );
        }
        out.push_str("</div>");
        for id in 0..self.timeline.steps.len() {
            self.row(&mut out, id);
        }
        self.links(&mut out);
        out.push_str("</div></div>");
        out
    }

    fn share(&self, seconds: f64) -> f64 {
        seconds / self.end
    }

    fn row(&self, out: &mut String, id: usize) {
        let step = &self.timeline.steps[id];
        let critical = match self.path.iter().any(|link| link.step == id) {
            true => " is-critical",
            false => "",
        };
        let name = Markup(&step.name);
        let _ = write!(
            out,
            "\n<div class=\"row is-{}{critical}\" data-step=\"{id}\" tabindex=\"0\"><div class=\"name\" title=\"{name}\">{name}</div><div class=\"lane\">",
            step.outcome.word()
        );
        match step.span {
            None => out.push_str("<span class=\"never\">never ran</span>"),
            Some(span) => {
                let (start, took) = (span.start.as_secs_f64(), span.took().as_secs_f64());
                let waited = self
                    .timeline
                    .awaited(id)
                    .map_or(0.0, |(_, waited)| waited.as_secs_f64());
                if self.share(waited) > SHORT_WAIT {
                    let _ = write!(
                        out,
                        "<i class=\"wait\" style=\"left:{:.3}%;width:{:.3}%\"></i>",
                        self.share(start - waited) * 100.0,
                        self.share(waited) * 100.0
                    );
                }
                let _ = write!(
                    out,
                    "<i class=\"bar\" style=\"left:{:.3}%;width:{:.3}%\"></i><span class=\"took\" style=\"left:{:.3}%\">{}</span>",
                    self.share(start) * 100.0,
                    self.share(took) * 100.0,
                    self.share(start + took) * 100.0,
                    label(step),
                );
            }
        }
        out.push_str("</div></div>");
    }

    /// The lines from the end of an input to the start of the step.
    fn links(&self, out: &mut String) {
        let height = ROW * self.timeline.steps.len() as f64;
        let _ = write!(
            out,
            "<svg class=\"links\" viewBox=\"0 0 {WIDTH} {height}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
        );
        for (id, step) in self.timeline.steps.iter().enumerate() {
            let Some(span) = step.span else { continue };
            for &input in &step.inputs {
                let Some(before) = self.timeline.steps[input].span else {
                    continue;
                };
                let at = |time: Duration| self.share(time.as_secs_f64()) * WIDTH;
                let middle = |row: usize| (row as f64 + 0.5) * ROW;
                let is_critical = self
                    .path
                    .windows(2)
                    .any(|pair| (pair[0].step, pair[1].step) == (input, id));
                let _ = write!(
                    out,
                    "<path data-from=\"{input}\" data-to=\"{id}\"{} d=\"M{:.2} {:.1}V{:.1}H{:.2}\"/>",
                    if is_critical {
                        " class=\"critical\""
                    } else {
                        ""
                    },
                    at(before.end),
                    middle(input),
                    middle(id),
                    at(span.start),
                );
            }
        }
        out.push_str("</svg>");
    }

    /// The critical path as a table.
    fn table(&self) -> String {
        let mut out = String::from(
            "<section class=\"below\"><h2>The critical path</h2><table><thead><tr><th>step</th><th>worked</th><th>waited before</th></tr></thead><tbody>",
        );
        for link in self.path {
            let step = &self.timeline.steps[link.step];
            let _ = write!(
                out,
                "<tr data-step=\"{}\"><td class=\"name\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td></tr>",
                link.step,
                Markup(&step.name),
                step.span
                    .map_or_else(String::new, |span| seconds(span.took())),
                seconds(link.waited)
            );
        }
        out.push_str("</tbody></table></section>");
        out
    }
}

fn label(step: &Step) -> String {
    let took = step.span.map(super::Span::took).unwrap_or_default();
    match step.outcome {
        Outcome::Cached if took < Duration::from_millis(1) => "cached".to_owned(),
        Outcome::Done => seconds(took),
        Outcome::Cached | Outcome::Failed(_) | Outcome::Canceled => {
            format!("{}, {}", step.outcome.word(), seconds(took))
        }
    }
}

fn details(timeline: &Timeline, path: &[Link], id: usize) -> Details {
    let step = &timeline.steps[id];
    let mut rows = vec![("outcome", step.outcome.word().to_owned())];
    if let Some(span) = step.span {
        rows.push(("worked", seconds(span.took())));
        rows.push((
            "from",
            format!("{} to {}", seconds(span.start), seconds(span.end)),
        ));
    }
    if let Some((input, waited)) = timeline.awaited(id) {
        rows.push((
            "waited",
            format!("{} after {}", seconds(waited), timeline.steps[input].name),
        ));
    }
    if path.iter().any(|link| link.step == id) {
        rows.push(("path", "on the critical path".to_owned()));
    }
    if let Some(origin) = &step.origin {
        rows.push(("written in", place(origin)));
    }
    if let Outcome::Failed(message) = &step.outcome {
        rows.push(("error", message.clone()));
    }
    let parts: Vec<String> = step
        .parts
        .iter()
        .map(|part| match part.bytes {
            0 => format!("{}, {}", part.name, seconds(part.span.took())),
            count => format!(
                "{}, {}, {}",
                part.name,
                bytes(count),
                seconds(part.span.took())
            ),
        })
        .collect();
    if !parts.is_empty() {
        rows.push(("parts", parts.join("\n")));
    }
    Details {
        id,
        title: step.name.clone(),
        rows,
        needs: step.inputs.clone(),
    }
}

fn tick_label(tick: f64) -> String {
    match tick {
        tick if tick > 0.0 && tick < 1.0 => format!("{} ms", (tick * 1e6).round() / 1e3),
        tick if tick < 120.0 => format!("{} s", (tick * 1e3).round() / 1e3),
        _ => seconds(Duration::from_secs_f64(tick)),
    }
}

/// Round times, of which some eight fit.
fn ticks(end: f64) -> Vec<f64> {
    let power = 10f64.powf((end / 8.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| end / step <= 8.0)
        .unwrap_or(end);
    let mut ticks = Vec::new();
    let mut tick = 0.0;
    while tick <= end {
        ticks.push(tick);
        tick += step;
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(10.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        for end in [0.000_001, 0.03, 1.0, 7.3, 99.0, 12_345.0] {
            let count = ticks(end).len();
            assert!((3..=9).contains(&count), "{end}: {count}");
        }
    }
}
