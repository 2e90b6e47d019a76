//! Progress as lines of text, in the format of buildx: `#5 [2/2] RUN make`, `#5 0.123 text`, `#5 DONE 1.2s`.
//!
//! One vertex has the floor, and what it says is printed at once. The others wait until it has ended, or has had the floor
//! for a while; one that ends, or that has much to say, is printed whatever happens.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use stromatekt_engine::events::{Event, Outcome, VertexId};

use super::Display;
use super::trace::{Change, Status, Trace, line};
use crate::numbers::seconds_between;

/// How long one vertex may keep others waiting.
const TURN: Duration = Duration::from_secs(5);
/// How many bytes a vertex may have to say before it takes the floor.
const MOST_PENDING: usize = 1 << 20;
/// A part that goes on is printed again after so much of it, or so long.
const STATUS_SHARE: f64 = 0.05;
const STATUS_PAUSE: f64 = 5.0;
/// How many lines of a failed step are repeated at the end.
const LAST_WORDS: usize = 10;

/// The display.
pub struct Plain<W> {
    out: W,
    vertices: BTreeMap<VertexId, Page>,
    floor: Option<VertexId>,
    floor_since: Option<SystemTime>,
    /// Those that have something to say, in the order in which they raised their hands.
    waiting: Vec<VertexId>,
    is_first: bool,
}

/// What of a vertex was printed.
#[derive(Default)]
struct Page {
    /// Its number, given when it is first printed.
    number: Option<usize>,
    pending: Vec<String>,
    /// How many bytes of output are pending.
    bytes: usize,
    statuses: BTreeMap<String, (u64, SystemTime)>,
}

impl<W: Write + Send> Plain<W> {
    /// Prints to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            vertices: BTreeMap::new(),
            floor: None,
            floor_since: None,
            waiting: Vec::new(),
            is_first: true,
        }
    }

    /// A vertex wants to be seen.
    fn offer(&mut self, trace: &Trace, id: VertexId) -> io::Result<()> {
        match self.floor {
            Some(other) if other != id && !has_ended(trace, other) => {
                if !self.waiting.contains(&id) {
                    self.waiting.push(id);
                }
                Ok(())
            }
            _ => self.print(trace, id),
        }
    }

    /// Prints what a vertex has to say; it has the floor then.
    fn print(&mut self, trace: &Trace, id: VertexId) -> io::Result<()> {
        self.waiting.retain(|other| *other != id);
        let count = self
            .vertices
            .values()
            .filter(|page| page.number.is_some())
            .count();
        let number = *self
            .vertices
            .entry(id)
            .or_default()
            .number
            .get_or_insert(count + 1);
        let mut text = String::new();
        if self.floor != Some(id) {
            // Of one that has ended, only warnings came late.
            let before = self
                .floor
                .filter(|other| !has_ended(trace, *other))
                .and_then(|other| self.vertices.get(&other)?.number);
            if let Some(before) = before {
                text.push_str(&format!("#{before} ...\n"));
            }
            if !std::mem::take(&mut self.is_first) {
                text.push('\n');
            }
            let name = trace.get(id).map_or("", |vertex| &vertex.name);
            text.push_str(&format!("#{number} {name}\n"));
            self.floor = Some(id);
            self.floor_since = None;
        }
        if let Some(page) = self.vertices.get_mut(&id) {
            page.bytes = 0;
            for line in page.pending.drain(..) {
                text.push_str(&format!("#{number} {line}\n"));
            }
        }
        self.out.write_all(text.as_bytes())
    }

    /// Gives the floor to who has waited longest.
    fn next(&mut self, trace: &Trace) -> io::Result<()> {
        match self.waiting.first().copied() {
            Some(next) => self.print(trace, next),
            None => Ok(()),
        }
    }

    fn page(&mut self, id: VertexId) -> &mut Page {
        self.vertices.entry(id).or_default()
    }
}

fn has_ended(trace: &Trace, id: VertexId) -> bool {
    trace
        .get(id)
        .is_some_and(|vertex| vertex.outcome().is_some())
}

impl Page {
    /// Whether a part is to be printed now.
    fn is_due(&mut self, status: &Status, now: SystemTime) -> bool {
        let due = match self.statuses.get(&status.name) {
            Some(&(current, at)) if status.completed.is_none() => {
                let gained = status.current.saturating_sub(current);
                seconds_between(at, now) >= STATUS_PAUSE
                    || share(gained, status.total) >= STATUS_SHARE
            }
            _ => true,
        };
        if due {
            self.statuses
                .insert(status.name.clone(), (status.current, now));
        }
        due
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share need not be exact")]
fn share(part: u64, total: Option<u64>) -> f64 {
    match total {
        Some(total) if total > 0 => part as f64 / total as f64,
        _ => 0.0,
    }
}

fn status_line(status: &Status, now: SystemTime) -> String {
    let mut line = status.name.clone();
    let amount = status.amount();
    if !amount.is_empty() {
        line.push_str(&format!(" {amount}"));
    }
    let seconds = seconds_between(status.started, status.completed.unwrap_or(now));
    if seconds > 0.01 {
        line.push_str(&format!(" {seconds:.1}s"));
    }
    if status.completed.is_some() {
        line.push_str(" done");
    }
    line
}

impl<W: Write + Send> Display for Plain<W> {
    fn show(&mut self, trace: &Trace, event: &Event, change: &Change) -> io::Result<()> {
        match change {
            Change::Started(id) => self.offer(trace, *id),
            Change::Lines(id, lines) if !lines.is_empty() => {
                let page = self.page(*id);
                page.pending.extend_from_slice(lines);
                page.bytes += lines.iter().map(String::len).sum::<usize>();
                match page.bytes > MOST_PENDING {
                    true => self.print(trace, *id),
                    false => self.offer(trace, *id),
                }
            }
            Change::Status(id, place) => {
                let Some(status) = trace
                    .get(*id)
                    .and_then(|vertex| vertex.statuses.get(*place))
                else {
                    return Ok(());
                };
                let now = status.completed.unwrap_or_else(SystemTime::now);
                let page = self.page(*id);
                // One that is over at once is told once.
                if (status.current > 0 || status.completed.is_some()) && page.is_due(status, now) {
                    page.pending.push(status_line(status, now));
                    return self.offer(trace, *id);
                }
                Ok(())
            }
            Change::Ended(id, rest) => {
                let Event::Completed { at, outcome, .. } = event else {
                    return Ok(());
                };
                let seconds = trace.get(*id).map_or(0.0, |vertex| vertex.seconds(*at));
                let end = match outcome {
                    Outcome::Done => format!("DONE {seconds:.1}s"),
                    Outcome::Cached => "CACHED".to_owned(),
                    Outcome::Failed(message) => format!("ERROR: {message}"),
                    Outcome::Canceled => "CANCELED".to_owned(),
                };
                self.page(*id)
                    .pending
                    .extend(rest.iter().cloned().chain([end]));
                self.print(trace, *id)?;
                self.floor = None;
                self.next(trace)
            }
            Change::Warned => match (event, trace.first()) {
                // What is not about the text stands at the end alone.
                (Event::Warning(warning), Some(first)) if warning.origin.is_some() => {
                    self.page(first)
                        .pending
                        .push(format!("WARN: {}", line(warning)));
                    self.offer(trace, first)
                }
                _ => Ok(()),
            },
            Change::Lines(..) | Change::Announced | Change::Dropped | Change::Nothing => Ok(()),
        }
    }

    fn tick(&mut self, trace: &Trace, now: SystemTime) -> io::Result<()> {
        let since = *self.floor_since.get_or_insert(now);
        if now.duration_since(since).is_ok_and(|turn| turn >= TURN) {
            self.next(trace)?;
        }
        Ok(())
    }

    fn finish(&mut self, trace: &Trace, _: SystemTime) -> io::Result<()> {
        while !self.waiting.is_empty() {
            self.next(trace)?;
        }
        if let Some(warnings) = warnings(trace) {
            write!(self.out, "\n{warnings}")?;
        }
        self.out.flush()
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(250)
    }

    fn last_words(&self) -> usize {
        LAST_WORDS
    }
}

/// The warnings of a build, to stand at its end.
pub fn warnings(trace: &Trace) -> Option<String> {
    let count = trace.warnings.len();
    if count == 0 {
        return None;
    }
    let has_rules = trace
        .warnings
        .iter()
        .any(|warning| !warning.detail.is_empty());
    let mut text = format!(
        " {count} warning{} found{}:\n",
        if count == 1 { "" } else { "s" },
        if has_rules {
            " (use --check to expand)"
        } else {
            ""
        }
    );
    for warning in &trace.warnings {
        text.push_str(&format!(" - {}\n", line(warning)));
    }
    Some(text)
}

#[cfg(test)]
mod tests;
