//! Places in a text: marks, spans, and the table that makes lines and columns of offsets.

/// A place between two characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark {
    /// The line, from 1.
    pub line: u32,
    /// The character in the line, from 1.
    pub column: u32,
    /// How many bytes of the text stand before it.
    pub offset: usize,
}

/// From one mark up to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Where it starts.
    pub start: Mark,
    /// Where it ends.
    pub end: Mark,
}

/// A text with the offsets of its lines, so that a mark costs little even where all of the text is one line.
#[derive(Debug)]
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    /// How many characters start before each block of bytes, and in all of them.
    characters: Vec<usize>,
}

/// The size of those blocks.
const BLOCK: usize = 512;

impl Mark {
    /// The start of a text.
    pub const START: Self = Self {
        line: 1,
        column: 1,
        offset: 0,
    };

    /// The mark at an offset of a text; at the nearest character before it, if it is in the middle of one.
    #[must_use]
    pub fn at(text: &str, offset: usize) -> Self {
        Lines::of(text).mark(offset)
    }
}

impl<'a> Lines<'a> {
    /// The lines of a text.
    pub fn of(text: &'a str) -> Self {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(after.map(|(at, _)| at + 1));
        let mut count = 0;
        let behind = text.as_bytes().chunks(BLOCK).map(|block| {
            count += characters_in(block);
            count
        });
        Self {
            text,
            characters: std::iter::once(0).chain(behind).collect(),
            starts: starts.collect(),
        }
    }

    /// The mark at an offset; at the nearest character before it, if it is in the middle of one.
    pub fn mark(&self, offset: usize) -> Mark {
        let offset = (0..=offset.min(self.text.len()))
            .rev()
            .find(|at| self.text.is_char_boundary(*at))
            .unwrap_or_default();
        let line = self
            .starts
            .partition_point(|start| *start <= offset)
            .saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or_default();
        let column = match self.text.as_bytes().get(start..offset) {
            Some(short) if short.len() < BLOCK => characters_in(short),
            _ => self.characters_before(offset) - self.characters_before(start),
        };
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Mark {
            line: number(line + 1),
            column: number(column + 1),
            offset,
        }
    }

    /// How many characters start before an offset that is between two of them.
    fn characters_before(&self, offset: usize) -> usize {
        let block = offset / BLOCK;
        let before = self.characters.get(block).copied().unwrap_or_default();
        let rest = self.text.as_bytes().get(block * BLOCK..offset);
        before + characters_in(rest.unwrap_or_default())
    }

    /// The span between two offsets.
    pub fn span(&self, start: usize, end: usize) -> Span {
        let start = self.mark(start);
        let end = self.mark(end.max(start.offset));
        Span { start, end }
    }
}

/// How many characters start in these bytes: all bytes but those that continue one.
fn characters_in(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_long_lines_count_characters() {
        let long = "a\u{e4}\u{1f600}".repeat(400) + "\n" + &"\u{e4}".repeat(BLOCK);
        for text in [long.as_str(), &"ab".repeat(BLOCK), &"x".repeat(BLOCK)] {
            let lines = Lines::of(text);
            for (offset, _) in text.char_indices().chain([(text.len(), 'x')]) {
                let mark = lines.mark(offset);
                let line = text[..offset].rsplit('\n').next().unwrap_or_default();
                assert_eq!(mark.column as usize, line.chars().count() + 1, "{offset}");
            }
        }
    }

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let lines = Lines::of("ab\n\u{e4}b\n");
        let at = |offset| {
            let mark = lines.mark(offset);
            (mark.line, mark.column, mark.offset)
        };
        assert_eq!(at(0), (1, 1, 0));
        assert_eq!(at(2), (1, 3, 2));
        assert_eq!(at(3), (2, 1, 3));
        assert_eq!(at(4), (2, 1, 3), "in the middle of a character");
        assert_eq!(at(5), (2, 2, 5));
        assert_eq!(at(7), (3, 1, 7));
        assert_eq!(at(99), (3, 1, 7));
    }
}
