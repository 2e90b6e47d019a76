//! The output of a step, cut into lines that begin with their time.

use std::collections::VecDeque;

/// How many of the last lines are kept, for the report of a failure and for the live display.
const KEPT: usize = 200;

/// How long a line may get: what writes on and on without a line break is cut into lines, so that memory is bounded.
const LONGEST: usize = 64 << 10;

/// The output of a step.
#[derive(Debug, Default)]
pub struct Log {
    kept: VecDeque<String>,
    /// What came after the last line break, with the time of its first byte.
    partial: Vec<u8>,
    partial_at: f64,
}

impl Log {
    /// Adds output that was written `seconds` after the step's start; returns the lines that it completed.
    pub fn add(&mut self, seconds: f64, data: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for part in data.split_inclusive(|byte| *byte == b'\n') {
            if self.partial.is_empty() {
                self.partial_at = seconds;
            }
            match part.strip_suffix(b"\n") {
                Some(end) => {
                    self.partial.extend_from_slice(end);
                    lines.push(self.complete());
                }
                None => {
                    self.partial.extend_from_slice(part);
                    if self.partial.len() >= LONGEST {
                        lines.push(self.complete());
                    }
                }
            }
        }
        lines
    }

    /// No more will come: the rest is a line too.
    pub fn end(&mut self) -> Option<String> {
        (!self.partial.is_empty()).then(|| self.complete())
    }

    /// The last lines, at most `count`.
    pub fn last(&self, count: usize) -> impl Iterator<Item = &str> {
        let skipped = self.kept.len().saturating_sub(count);
        self.kept.iter().skip(skipped).map(String::as_str)
    }

    /// The last lines, at most `count`, with one that is not complete yet.
    pub fn live(&self, count: usize) -> impl Iterator<Item = String> {
        let partial = (!self.partial.is_empty()).then(|| self.partial_line());
        let complete = count.saturating_sub(usize::from(partial.is_some()));
        self.last(complete).map(str::to_owned).chain(partial)
    }

    fn partial_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.partial);
        format!("{} {}", time(self.partial_at), text.trim_end_matches('\r'))
    }

    fn complete(&mut self) -> String {
        let line = self.partial_line();
        self.partial.clear();
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(line.clone());
        line
    }
}

/// Seconds with so many decimals that the width is nearly always the same, as buildx has them.
fn time(seconds: f64) -> String {
    let decimals = match seconds {
        seconds if seconds < 10.0 => 3,
        seconds if seconds < 100.0 => 2,
        _ => 1,
    };
    format!("{seconds:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_begin_with_the_time_of_their_first_byte() {
        let mut log = Log::default();
        assert_eq!(log.add(0.1, b"one\ntw"), ["0.100 one"]);
        assert_eq!(
            log.add(12.3456, b"o\r\n\nthree\n"),
            ["0.100 two", "12.35 ", "12.35 three"]
        );
        assert_eq!(log.add(123.0, b"rest"), Vec::<String>::new());
        assert_eq!(
            log.live(2).collect::<Vec<_>>(),
            ["12.35 three", "123.0 rest"]
        );
        assert_eq!(log.end().as_deref(), Some("123.0 rest"));
        assert_eq!(log.end(), None);
        assert_eq!(
            log.last(2).collect::<Vec<_>>(),
            ["12.35 three", "123.0 rest"]
        );
    }

    #[test]
    fn what_has_no_line_breaks_is_cut() {
        let mut log = Log::default();
        let piece = [b'x'; 40 << 10];
        assert_eq!(log.add(0.0, &piece).len(), 0);
        let lines = log.add(1.0, &piece);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("0.000 xx") && lines[0].len() == 6 + (80 << 10));
        assert_eq!(log.add(2.0, b"end\n"), ["2.000 end"]);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut log = Log::default();
        for number in 0..1000 {
            log.add(0.0, format!("{number}\n").as_bytes());
        }
        assert_eq!(log.last(usize::MAX).count(), KEPT);
        assert_eq!(log.last(1).next(), Some("0.000 999"));
    }
}
