//! A logical line: what is left of an instruction when its continuation lines are joined, and where each part of it came from.

use std::ops::Range;

use crate::span::{Span, Word};

/// A logical line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    text: String,
    /// Where parts start: in the line, and in the source.
    pieces: Vec<(usize, usize)>,
}

impl Line {
    /// Appends what stands at `source` in the text.
    pub fn push(&mut self, text: &str, source: usize) {
        self.pieces.push((self.text.len(), source));
        self.text.push_str(text);
    }

    /// The line without breaks.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn source(&self, offset: usize) -> usize {
        let next = self.pieces.partition_point(|(at, _)| *at <= offset);
        match next.checked_sub(1).and_then(|index| self.pieces.get(index)) {
            Some((at, source)) => source + (offset - at),
            None => 0,
        }
    }

    /// Where a part of the line stands in the source.
    pub fn span(&self, range: &Range<usize>) -> Span {
        match range.end.checked_sub(1) {
            Some(last) if last >= range.start => {
                Span::new(self.source(range.start), self.source(last) + 1)
            }
            _ => Span::at(self.source(range.start)),
        }
    }

    /// Where the whole line stands, spaces around it aside.
    pub fn whole(&self) -> Span {
        let start = self.text.len() - self.text.trim_start().len();
        self.span(&(start..start + self.text.trim().len()))
    }

    /// A part of the line as a word.
    pub fn word(&self, range: Range<usize>) -> Word {
        Word {
            value: self.text[range.clone()].to_owned(),
            span: self.span(&range),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_know_where_they_came_from() {
        let source = "RUN a \\\n# no\nb";
        let mut line = Line::default();
        line.push("RUN a ", 0);
        line.push("b", source.len() - 1);
        assert_eq!(line.text(), "RUN a b");
        let shown = |range: Range<usize>| &source[Range::from(line.span(&range))];
        assert_eq!(shown(4..5), "a");
        assert_eq!(shown(6..7), "b");
        assert_eq!(shown(4..7), "a \\\n# no\nb");
        assert_eq!(line.span(&(7..7)), Span::at(source.len()));
        assert_eq!(line.whole(), Span::new(0, source.len()));
        line.push("  ", source.len());
        assert_eq!(line.whole(), Span::new(0, source.len()));
        assert_eq!(Line::default().whole(), Span::at(0));
    }
}
