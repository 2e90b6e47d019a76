//! Progress as lines of text, in the format of buildx: `#5 [2/2] RUN make`, `#5 0.123 text`, `#5 DONE 1.2s`.
//!
//! One vertex has the floor, and what it says is printed at once. The others wait until it has ended, or has had the floor
//! for a while; one that ends is printed whatever happens.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use stromatekt_engine::events::{Event, Outcome, VertexId};

use super::Display;
use super::trace::{Change, Status, Trace, line};
use crate::numbers::seconds_between;

/// How long one vertex may keep others waiting.
const TURN: Duration = Duration::from_secs(5);
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
                self.page(*id).pending.extend_from_slice(lines);
                self.offer(trace, *id)
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
mod tests {
    use std::time::UNIX_EPOCH;

    use stromatekt_engine::events::{Stream, Warning};

    use super::*;

    fn at(seconds: f64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs_f64(1_700_000_000.0 + seconds)
    }

    fn vertex(id: u32, name: &str) -> Event {
        Event::Vertex {
            id: VertexId(id),
            name: name.to_owned(),
            inputs: Vec::new(),
            origin: None,
        }
    }

    fn started(id: u32, seconds: f64) -> Event {
        Event::Started {
            id: VertexId(id),
            at: at(seconds),
        }
    }

    fn log(id: u32, seconds: f64, text: &str) -> Event {
        Event::Log {
            id: VertexId(id),
            stream: Stream::Stdout,
            data: text.into(),
            at: at(seconds),
        }
    }

    fn status(id: u32, name: &str, bytes: (u64, Option<u64>), time: (f64, Option<f64>)) -> Event {
        Event::Status {
            id: VertexId(id),
            name: name.to_owned(),
            current: bytes.0,
            total: bytes.1,
            started: at(time.0),
            completed: time.1.map(at),
        }
    }

    fn ended(id: u32, seconds: f64, outcome: Outcome) -> Event {
        Event::Completed {
            id: VertexId(id),
            at: at(seconds),
            outcome,
        }
    }

    fn shown(events: &[Event]) -> String {
        let (mut plain, mut trace) = (Plain::new(Vec::new()), Trace::default());
        for event in events {
            let change = trace.apply(event);
            plain.show(&trace, event, &change).unwrap();
        }
        plain.finish(&trace, at(100.0)).unwrap();
        String::from_utf8(plain.out).unwrap()
    }

    #[test]
    fn a_build_looks_as_with_buildx() {
        insta::assert_snapshot!(shown(&[
            vertex(0, "[internal] load build definition from Dockerfile"),
            started(0, 0.0),
            status(0, "transferring dockerfile:", (0, None), (0.0, None)),
            status(0, "transferring dockerfile:", (56, None), (0.0, Some(0.0))),
            ended(0, 0.04, Outcome::Done),
            vertex(1, "[1/3] FROM docker.io/library/busybox"),
            started(1, 0.1),
            ended(1, 0.1, Outcome::Cached),
            vertex(2, "[2/3] RUN make"),
            started(2, 0.1),
            log(2, 0.3, "one\ntw"),
            log(2, 12.0, "o\nno line end"),
            ended(2, 12.5, Outcome::Done),
            vertex(3, "exporting to image"),
            started(3, 12.5),
            status(3, "exporting layers", (0, None), (12.5, Some(12.8))),
            ended(3, 12.8, Outcome::Done),
        ]), @r"
        #1 [internal] load build definition from Dockerfile
        #1 transferring dockerfile: 56B done
        #1 DONE 0.0s

        #2 [1/3] FROM docker.io/library/busybox
        #2 CACHED

        #3 [2/3] RUN make
        #3 0.200 one
        #3 0.200 two
        #3 11.90 no line end
        #3 DONE 12.4s

        #4 exporting to image
        #4 exporting layers 0.3s done
        #4 DONE 0.3s
        ");
    }

    #[test]
    fn steps_at_the_same_time_take_turns() {
        insta::assert_snapshot!(shown(&[
            vertex(0, "a"),
            vertex(1, "b"),
            vertex(2, "c"),
            started(0, 0.0),
            log(0, 0.1, "a1\n"),
            started(1, 0.1),
            log(1, 0.2, "b1\n"),
            started(2, 0.2),
            log(0, 0.3, "a2\n"),
            ended(1, 0.4, Outcome::Done),
            log(0, 0.5, "a3\n"),
            ended(0, 0.6, Outcome::Failed("it broke".into())),
            ended(2, 0.6, Outcome::Canceled),
        ]), @r"
        #1 a
        #1 0.100 a1
        #1 0.300 a2
        #1 ...

        #2 b
        #2 0.100 b1
        #2 DONE 0.3s

        #3 c
        #3 ...

        #1 a
        #1 0.500 a3
        #1 ERROR: it broke

        #3 c
        #3 CANCELED
        ");
    }

    #[test]
    fn who_has_the_floor_for_long_must_give_it_up() {
        let (mut plain, mut trace) = (Plain::new(Vec::new()), Trace::default());
        for event in [
            vertex(0, "a"),
            vertex(1, "b"),
            started(0, 0.0),
            started(1, 0.0),
            log(1, 0.1, "b1\n"),
        ] {
            let change = trace.apply(&event);
            plain.show(&trace, &event, &change).unwrap();
        }
        for seconds in [1.0, 3.0, 5.9, 6.1, 20.0] {
            plain.tick(&trace, at(seconds)).unwrap();
        }
        assert_eq!(
            String::from_utf8(plain.out).unwrap(),
            "#1 a\n#1 ...\n\n#2 b\n#2 0.100 b1\n"
        );
    }

    #[test]
    fn transfers_are_told_from_time_to_time() {
        insta::assert_snapshot!(shown(&[
            vertex(0, "pull"),
            started(0, 0.0),
            status(0, "sha256:1", (0, Some(1_000_000)), (0.0, None)),
            status(0, "sha256:1", (100_000, Some(1_000_000)), (0.0, None)),
            status(0, "sha256:1", (101_000, Some(1_000_000)), (0.0, None)),
            status(0, "sha256:1", (1_000_000, None), (0.0, Some(2.0))),
            ended(0, 2.0, Outcome::Done),
        ]).lines().filter(|line| !line.contains("100.00kB")).collect::<Vec<_>>().join("\n"), @r"
        #1 pull
        #1 sha256:1 1.00MB / 1.00MB 2.0s done
        #1 DONE 2.0s
        ");
    }

    #[test]
    fn what_never_started_is_not_shown_and_warnings_stand_at_the_end() {
        insta::assert_snapshot!(shown(&[
            vertex(0, "never"),
            Event::Warning(Warning { message: "mind the gap".into(), ..Warning::default() }),
            ended(0, 1.0, Outcome::Canceled),
            vertex(1, "at once"),
            ended(1, 1.0, Outcome::Failed("no".into())),
        ]), @r"
        #1 at once
        #1 ERROR: no

         1 warning found:
         - mind the gap
        ");
    }

    #[test]
    fn warnings_about_the_text_belong_to_who_read_it_and_keep_nobody_waiting() {
        let warning = |message: &str, line| {
            Event::Warning(Warning {
                message: message.into(),
                detail: "why".into(),
                url: None,
                origin: Some(stromatekt_graph::Origin {
                    file: "Dockerfile".into(),
                    first_line: line,
                    last_line: line + 1,
                }),
            })
        };
        insta::assert_snapshot!(shown(&[
            vertex(0, "[internal] load build definition"),
            started(0, 0.0),
            ended(0, 0.0, Outcome::Done),
            vertex(1, "[1/2] RUN a"),
            started(1, 0.0),
            warning("RuleA: one", 3),
            ended(1, 1.0, Outcome::Done),
            warning("RuleB: two", 7),
            warning("RuleC: three", 7),
            vertex(2, "[2/2] RUN b"),
            started(2, 1.0),
            ended(2, 2.0, Outcome::Done),
        ]), @r"
        #1 [internal] load build definition
        #1 DONE 0.0s

        #2 [1/2] RUN a
        #2 DONE 1.0s

        #1 [internal] load build definition
        #1 WARN: RuleA: one (line 3)
        #1 WARN: RuleB: two (line 7)
        #1 WARN: RuleC: three (line 7)

        #3 [2/2] RUN b
        #3 DONE 1.0s

         3 warnings found (use --check to expand):
         - RuleA: one (line 3)
         - RuleB: two (line 7)
         - RuleC: three (line 7)
        ");
    }
}
