//! The lines of a text by their numbers, for people.

use crate::span::Span;

/// Where the lines of a text start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineIndex {
    starts: Vec<usize>,
}

impl LineIndex {
    /// Finds the lines of a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            starts: std::iter::once(0).chain(after_newlines).collect(),
        }
    }

    /// The first and the last line of a span.
    #[must_use]
    pub fn lines(&self, span: Span) -> (u32, u32) {
        let last = span.end.saturating_sub(1).max(span.start);
        (self.line(span.start), self.line(last))
    }

    fn line(&self, offset: usize) -> u32 {
        let line = self.starts.partition_point(|start| *start <= offset);
        u32::try_from(line).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stand_in_lines() {
        let text = "a\r\nbü c\n\nlast";
        let index = LineIndex::new(text);
        for (span, lines) in [
            (Span::new(0, 3), (1, 1)),
            (Span::new(0, 4), (1, 2)),
            (Span::at(3), (2, 2)),
            (Span::at(text.len()), (4, 4)),
            (Span::at(text.len() + 9), (4, 4)),
        ] {
            assert_eq!(index.lines(span), lines, "{span:?}");
        }
    }
}
