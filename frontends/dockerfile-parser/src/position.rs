//! Lines and columns of a text, for people.

use crate::span::Span;

/// A place as people name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, counted from 1.
    pub line: u32,
    /// The character in the line, counted from 1.
    pub column: u32,
}

/// What to show of a span: its first line, and the part of that which is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excerpt<'a> {
    /// Where the part starts.
    pub position: Position,
    /// The line, without its break.
    pub line: &'a str,
    /// How many characters of the line belong to the part; at least one, for the caret.
    pub width: u32,
}

/// Where the lines of a text start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineIndex {
    starts: Vec<usize>,
    length: usize,
}

impl LineIndex {
    /// Finds the lines of a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            starts: std::iter::once(0).chain(after_newlines).collect(),
            length: text.len(),
        }
    }

    fn index(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset) - 1
    }

    /// The number of the line in which a byte stands.
    #[must_use]
    pub fn line(&self, offset: usize) -> u32 {
        u32::try_from(self.index(offset) + 1).unwrap_or(u32::MAX)
    }

    /// The first and the last line of a span.
    #[must_use]
    pub fn lines(&self, span: Span) -> (u32, u32) {
        let last = span.end.saturating_sub(1).max(span.start);
        (self.line(span.start), self.line(last))
    }

    /// Line and column of a byte of `text`, which must be the text of this index.
    #[must_use]
    pub fn position(&self, text: &str, offset: usize) -> Position {
        let start = self.starts[self.index(offset)];
        let before = text.get(start..offset.min(self.length)).unwrap_or("");
        Position {
            line: self.line(offset),
            column: u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX),
        }
    }

    /// What to show of a span of `text`, which must be the text of this index.
    #[must_use]
    pub fn excerpt<'a>(&self, text: &'a str, span: Span) -> Excerpt<'a> {
        let position = self.position(text, span.start);
        let line = self.text(text, position.line);
        let end = self.starts[self.index(span.start)] + line.len();
        let part = text.get(span.start..span.end.min(end)).unwrap_or("");
        Excerpt {
            position,
            line,
            width: u32::try_from(part.chars().count().max(1)).unwrap_or(u32::MAX),
        }
    }

    /// A line of `text` by its number, without the line break; empty where there is no such line.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str, line: u32) -> &'a str {
        let Some(&start) = (line as usize)
            .checked_sub(1)
            .and_then(|index| self.starts.get(index))
        else {
            return "";
        };
        let end = self.starts.get(line as usize).copied();
        let line = text.get(start..end.unwrap_or(text.len())).unwrap_or("");
        line.trim_end_matches(['\r', '\n'])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_lines_and_columns() {
        let text = "a\r\nbü c\n\nlast";
        let index = LineIndex::new(text);
        let at = |offset| {
            let Position { line, column } = index.position(text, offset);
            (line, column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(text.find('c').unwrap()), (2, 4));
        assert_eq!(at(text.len()), (4, 5));
        assert_eq!(at(text.len() + 9), (4, 5));
        assert_eq!(index.lines(Span::new(0, 3)), (1, 1));
        assert_eq!(index.lines(Span::new(0, 4)), (1, 2));
        assert_eq!(index.lines(Span::at(3)), (2, 2));
        let excerpt = index.excerpt(text, Span::new(4, 11));
        assert_eq!(
            (excerpt.line, excerpt.position.column, excerpt.width),
            ("bü c", 2, 3)
        );
        assert_eq!(index.excerpt(text, Span::at(text.len())).width, 1);
        assert_eq!(index.text(text, 1), "a");
        assert_eq!(index.text(text, 2), "bü c");
        assert_eq!(index.text(text, 4), "last");
        assert_eq!((index.text(text, 0), index.text(text, 5)), ("", ""));
    }
}
