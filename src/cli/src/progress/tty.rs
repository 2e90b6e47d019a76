//! Progress as a live display on a terminal: what runs, what it says, how long it takes; written anew several times a second.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use stromatekt_engine::events::{Event, Outcome};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Display;
use super::plain::warnings;
use super::trace::{Change, Life, Status, Trace, Vertex};
use crate::numbers::seconds_between;

/// How many lines of a running step's output are shown.
const LOG_LINES: usize = 6;
/// Where another number of them is asked for, as of buildx.
const LOG_LINES_VARIABLE: &str = "BUILDKIT_TTY_LOG_LINES";
/// Where the terminal does not tell its size.
const SIZE: (usize, usize) = (80, 24);

/// The display.
pub struct Tty<W> {
    out: W,
    colours: bool,
    /// How many lines of a step's output are shown.
    log_lines: usize,
    size: fn() -> (usize, usize),
    started: SystemTime,
    /// How many lines are to be written over.
    drawn: usize,
    is_stale: bool,
}

/// A line of the display.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    text: String,
    tone: Tone,
    /// Whether the line is about something that goes on.
    is_live: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Plain,
    Done,
    Canceled,
    Failed,
    Faint,
}

impl<W: Write + Send> Tty<W> {
    /// Draws on `out`, the terminal of standard error.
    pub fn new(out: W) -> Self {
        Self {
            out,
            colours: std::env::var_os("NO_COLOR").is_none(),
            log_lines: std::env::var(LOG_LINES_VARIABLE)
                .ok()
                .and_then(|lines| lines.parse().ok())
                .unwrap_or(LOG_LINES),
            size: || {
                terminal_size::terminal_size_of(io::stderr())
                    .map_or(SIZE, |(width, height)| (width.0.into(), height.0.into()))
            },
            started: SystemTime::now(),
            drawn: 0,
            is_stale: true,
        }
    }

    fn draw(&mut self, trace: &Trace, now: SystemTime, is_last: bool) -> io::Result<()> {
        let (width, height) = (self.size)();
        let mut lines = lines(
            trace,
            width,
            now,
            (!is_last).then_some(height),
            self.log_lines,
        );
        lines.insert(0, self.heading(trace, now, is_last));
        let mut text = String::from("\x1b[?25l");
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}A", self.drawn));
        }
        for line in &lines {
            let shown = truncate(&line.text, width);
            let (on, off) = line.tone.codes(self.colours);
            text.push_str(&format!("\r{on}{shown}{off}\x1b[K\n"));
        }
        text.push_str("\x1b[J\x1b[?25h");
        self.drawn = lines.len();
        self.is_stale = false;
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    fn heading(&self, trace: &Trace, now: SystemTime, is_last: bool) -> Line {
        let ended = trace
            .started()
            .filter(|(_, vertex)| vertex.outcome().is_some());
        let (ended, all) = (ended.count(), trace.count());
        let seconds = seconds_between(self.started, now);
        let finished = if is_last && ended == all {
            " FINISHED"
        } else {
            ""
        };
        Line {
            text: format!("[+] Building {seconds:.1}s ({ended}/{all}){finished}"),
            tone: Tone::Plain,
            is_live: true,
        }
    }
}

impl<W: Write + Send> Display for Tty<W> {
    fn show(&mut self, _: &Trace, _: &Event, _: &Change) -> io::Result<()> {
        self.is_stale = true;
        Ok(())
    }

    fn tick(&mut self, trace: &Trace, now: SystemTime) -> io::Result<()> {
        let works = trace
            .started()
            .any(|(_, vertex)| vertex.outcome().is_none());
        if self.is_stale || works {
            self.draw(trace, now, false)?;
        }
        Ok(())
    }

    fn finish(&mut self, trace: &Trace, now: SystemTime) -> io::Result<()> {
        if trace.count() > 0 {
            self.draw(trace, now, true)?;
        }
        if let Some(warnings) = warnings(trace) {
            write!(self.out, "\n{warnings}")?;
        }
        self.out.flush()
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(100)
    }
}

/// The lines about all vertices; where there is a limit to the height, those that matter most.
fn lines(
    trace: &Trace,
    width: usize,
    now: SystemTime,
    height: Option<usize>,
    log_lines: usize,
) -> Vec<Line> {
    let mut lines = Vec::new();
    for (_, vertex) in trace.started() {
        lines.push(vertex_line(vertex, width, now));
        let is_live = matches!(vertex.life, Life::Running { .. });
        lines.extend(
            vertex
                .statuses
                .iter()
                .map(|status| status_line(status, width, now)),
        );
        if is_live && height.is_some() {
            lines.extend(vertex.log.live(log_lines).map(|line| Line {
                text: format!(" => => # {}", visible(&line)),
                tone: Tone::Faint,
                is_live: true,
            }));
        }
    }
    // One line for the heading, one for the cursor.
    match height {
        Some(height) => fit(lines, height.saturating_sub(2)),
        None => lines,
    }
}

/// Leaves out what is over, then output, the oldest first; and in the end what is oldest.
fn fit(mut lines: Vec<Line>, height: usize) -> Vec<Line> {
    let mut surplus = lines.len().saturating_sub(height);
    let mut leave_out = |lines: &mut Vec<Line>, is_dispensable: fn(&Line) -> bool| {
        lines.retain(|line| {
            let is_left_out = surplus > 0 && is_dispensable(line);
            surplus -= usize::from(is_left_out);
            !is_left_out
        });
    };
    leave_out(&mut lines, |line| !line.is_live);
    leave_out(&mut lines, |line| line.tone == Tone::Faint);
    lines.split_off(lines.len().saturating_sub(height))
}

fn vertex_line(vertex: &Vertex, width: usize, now: SystemTime) -> Line {
    let (prefix, tone) = match vertex.outcome() {
        None => ("", Tone::Plain),
        Some(Outcome::Done) => ("", Tone::Done),
        Some(Outcome::Cached) => ("CACHED ", Tone::Done),
        Some(Outcome::Failed(_)) => ("ERROR ", Tone::Failed),
        Some(Outcome::Canceled) => ("CANCELED ", Tone::Canceled),
    };
    Line {
        text: timed(
            &format!(" => {prefix}{}", vertex.name),
            "",
            vertex.seconds(now),
            width,
        ),
        tone,
        is_live: matches!(vertex.outcome(), None | Some(Outcome::Failed(_))),
    }
}

fn status_line(status: &Status, width: usize, now: SystemTime) -> Line {
    let seconds = seconds_between(status.started, status.completed.unwrap_or(now));
    Line {
        text: timed(
            &format!(" => => {}", status.name),
            &status.amount(),
            seconds,
            width,
        ),
        tone: if status.completed.is_some() {
            Tone::Done
        } else {
            Tone::Plain
        },
        is_live: status.completed.is_none(),
    }
}

/// A text, cut if it must be, and at the right end an amount and the time.
fn timed(text: &str, amount: &str, seconds: f64, width: usize) -> String {
    // What takes no time shows none, and does not flicker.
    let seconds = if seconds < 0.05 { 0.0 } else { seconds };
    let space = if amount.is_empty() { "" } else { " " };
    let end = format!("{space}{amount} {seconds:.1}s");
    let text = truncate(text, width.saturating_sub(end.len() + 1));
    let gap = width.saturating_sub(text.width() + end.len());
    match amount.is_empty() {
        true => format!("{text}{}{end}", " ".repeat(gap)),
        false => format!("{text} {amount}{} {seconds:.1}s", " ".repeat(gap)),
    }
}

/// As much of a text as fits into so many columns.
fn truncate(text: &str, width: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > width {
            return &text[..at];
        }
    }
    text
}

/// What a terminal would show of a line in the end: no escape sequences, and only what follows the last carriage return.
fn visible(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    let (time, text) = line.split_once(' ').unwrap_or(("", line));
    let last = text.rsplit('\r').next().unwrap_or(text);
    let mut out = String::new();
    let mut chars = last.chars();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => skip_escape(&mut chars),
            '\t' => out.push(' '),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    format!("{time} {out}")
}

/// Skips the rest of an escape sequence (ECMA-48: `ESC [ … letter`, or one more character).
fn skip_escape(chars: &mut std::str::Chars<'_>) {
    if chars.next() == Some('[') {
        for c in chars.by_ref() {
            if matches!(c, '@'..='~') {
                break;
            }
        }
    }
}

impl Tone {
    /// What switches it on and off.
    fn codes(self, colours: bool) -> (&'static str, &'static str) {
        let on = match self {
            _ if !colours => return ("", ""),
            Self::Plain => return ("", ""),
            Self::Done => "\x1b[34m",
            Self::Canceled => "\x1b[33m",
            Self::Failed => "\x1b[31m",
            Self::Faint => "\x1b[2m",
        };
        (on, "\x1b[0m")
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use stromatekt_engine::events::{Stream, VertexId};

    use super::*;

    fn at(seconds: f64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs_f64(1_700_000_000.0 + seconds)
    }

    fn trace(vertices: u32) -> Trace {
        let mut trace = Trace::default();
        for number in 0..vertices {
            let id = VertexId(number);
            let name = format!("[{}/{vertices}] RUN something {number}", number + 1);
            for event in [
                Event::Vertex {
                    id,
                    name,
                    inputs: Vec::new(),
                    origin: None,
                },
                Event::Started {
                    id,
                    at: at(f64::from(number)),
                },
                Event::Log {
                    id,
                    stream: Stream::Stdout,
                    data: b"one\n10%\r\x1b[1m20%\x1b[0m".to_vec(),
                    at: at(f64::from(number) + 0.5),
                },
            ] {
                trace.apply(&event);
            }
            if number % 2 == 0 {
                let outcome = if number == 2 {
                    Outcome::Failed("x".into())
                } else {
                    Outcome::Cached
                };
                trace.apply(&Event::Completed {
                    id,
                    at: at(f64::from(number) + 1.0),
                    outcome,
                });
            }
        }
        trace
    }

    fn shown(trace: &Trace, width: usize, height: Option<usize>) -> String {
        let lines = lines(trace, width, at(9.0), height, LOG_LINES);
        lines
            .iter()
            .map(|line| format!("{}|\n", line.text))
            .collect()
    }

    #[test]
    fn what_runs_shows_its_last_lines() {
        insta::assert_snapshot!(shown(&trace(4), 50, Some(24)), @r"
        => CACHED [1/4] RUN something 0              1.0s|
        => [2/4] RUN something 1                     8.0s|
        => => # 0.500 one|
        => => # 0.500 20%|
        => ERROR [3/4] RUN something 2               1.0s|
        => [4/4] RUN something 3                     6.0s|
        => => # 0.500 one|
        => => # 0.500 20%|
        ");
    }

    #[test]
    fn what_does_not_fit_is_left_out_from_the_oldest_that_is_over() {
        insta::assert_snapshot!(shown(&trace(4), 30, Some(6)), @r"
        => [2/4] RUN something   8.0s|
        => ERROR [3/4] RUN some  1.0s|
        => [4/4] RUN something   6.0s|
        => => # 0.500 20%|
        ");
        insta::assert_snapshot!(shown(&trace(4), 30, Some(4)), @r"
        => ERROR [3/4] RUN some  1.0s|
        => [4/4] RUN something   6.0s|
        ");
    }

    #[test]
    fn in_the_end_all_is_shown_without_the_logs() {
        insta::assert_snapshot!(shown(&trace(3), 50, None), @r"
        => CACHED [1/3] RUN something 0              1.0s|
        => [2/3] RUN something 1                     8.0s|
        => ERROR [3/3] RUN something 2               1.0s|
        ");
    }

    #[test]
    fn amounts_stand_beside_their_part() {
        let status = Status {
            name: "sha256:1".into(),
            current: 1_500,
            total: Some(3_000),
            started: at(0.0),
            completed: None,
        };
        assert_eq!(
            status_line(&status, 50, at(1.0)).text,
            " => => sha256:1 1.50kB / 3.00kB               1.0s"
        );
    }

    #[test]
    fn a_frame_is_written_over_the_one_before() {
        let mut tty = Tty::new(Vec::new());
        tty.size = || (40, 10);
        tty.colours = false;
        tty.started = at(0.0);
        let trace = trace(1);
        tty.tick(&trace, at(1.0)).unwrap();
        tty.finish(&trace, at(2.0)).unwrap();
        let text = String::from_utf8(tty.out).unwrap();
        assert!(text.contains("[+] Building 1.0s (1/1)\x1b[K\n"), "{text:?}");
        assert!(
            text.contains("\x1b[2A\r[+] Building 2.0s (1/1) FINISHED"),
            "{text:?}"
        );
    }
}
