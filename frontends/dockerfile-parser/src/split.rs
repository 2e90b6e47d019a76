//! A logical line as keyword, flags and the rest.

use std::ops::Range;

use crate::directives::Escape;
use crate::line::Line;
use crate::span::Word;

/// What separates a keyword from its arguments, and arguments from each other (BuildKit's `[\t\v\f\r ]+`).
pub const SEPARATORS: [char; 5] = ['\t', '\x0b', '\x0c', '\r', ' '];

/// The parts of a logical line.
#[derive(Clone, Debug)]
pub struct Split {
    /// The keyword as it is written.
    pub keyword: Word,
    /// The flags, without quotes and escapes.
    pub flags: Vec<Word>,
    /// Where the rest stands in the line, without spaces around it.
    pub rest: Range<usize>,
}

/// Takes the part `range` of a logical line apart.
pub fn split(line: &Line, range: Range<usize>, escape: Escape) -> Split {
    let range = trim(line, range);
    let text = &line.text()[range.clone()];
    let keyword = text.find(SEPARATORS).unwrap_or(text.len());
    let behind = &text[keyword..];
    let gap = behind.len() - behind.trim_start_matches(SEPARATORS).len();
    let mut reader = FlagReader {
        line,
        escape,
        at: range.start + keyword + gap,
        end: range.end,
    };
    let flags = reader.flags();
    Split {
        keyword: line.word(range.start..range.start + keyword),
        flags,
        rest: trim(line, reader.at..range.end),
    }
}

/// The range without spaces around it.
pub fn trim(line: &Line, range: Range<usize>) -> Range<usize> {
    let text = &line.text()[range.clone()];
    let start = range.start + (text.len() - text.trim_start().len());
    start..start + text.trim().len()
}

struct FlagReader<'a> {
    line: &'a Line,
    escape: Escape,
    at: usize,
    end: usize,
}

impl FlagReader<'_> {
    /// BuildKit reads flags byte by byte and takes each byte for a character; so does this, lest a flag that is not ASCII means
    /// something else here than there.
    fn byte(&self) -> Option<char> {
        let byte = self.line.text().as_bytes()[..self.end].get(self.at)?;
        Some(char::from(*byte))
    }

    fn flags(&mut self) -> Vec<Word> {
        let mut flags = Vec::new();
        loop {
            while self.byte().is_some_and(char::is_whitespace) {
                self.at += 1;
            }
            if !self.line.text().is_char_boundary(self.at) {
                while !self.line.text().is_char_boundary(self.at) {
                    self.at += 1;
                }
                return flags;
            }
            if !self.line.text()[self.at..self.end].starts_with("--") {
                return flags;
            }
            let start = self.at;
            let value = self.flag();
            // Even where a byte of it was taken for a space, a character is shown whole.
            let mut end = self.at;
            while !self.line.text().is_char_boundary(end) {
                end += 1;
            }
            if value == "--" {
                return flags;
            }
            flags.push(Word {
                value,
                span: self.line.span(&(start..end)),
            });
        }
    }

    /// Reads up to a space that is neither quoted nor escaped.
    fn flag(&mut self) -> String {
        let mut out = String::new();
        let mut quote = None;
        while let Some(c) = self.byte() {
            if quote.is_none() && c.is_whitespace() {
                break;
            }
            self.at += 1;
            if quote == Some(c) {
                quote = None;
            } else if quote.is_none() && matches!(c, '\'' | '"') {
                quote = Some(c);
            } else if c == self.escape.char() {
                // At the end it escapes nothing.
                if let Some(escaped) = self.byte() {
                    out.push(escaped);
                    self.at += 1;
                }
            } else {
                out.push(c);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_keyword_flags_and_the_rest() {
        for (text, keyword, flags, rest) in [
            ("RUN make  x ", "RUN", &[][..], "make  x"),
            ("run\tx", "run", &[], "x"),
            ("RUN", "RUN", &[], ""),
            ("COPY --a --b=c d e", "COPY", &["--a", "--b=c"], "d e"),
            (
                "COPY --a='b c' \"--d\" e",
                "COPY",
                &["--a=b c"],
                "\"--d\" e",
            ),
            (r"COPY --a=b\ c\\ d", "COPY", &[r"--a=b c\"], "d"),
            ("COPY -- --a b", "COPY", &[], "--a b"),
            ("COPY --a -- b", "COPY", &["--a"], "b"),
            ("COPY --a", "COPY", &["--a"], ""),
            ("COPY --a --", "COPY", &["--a"], ""),
            ("COPY --a=\"b", "COPY", &["--a=b"], ""),
            (r"COPY --a=b\", "COPY", &["--a=b"], ""),
            ("COPY -a b", "COPY", &[], "-a b"),
            ("COPY --a=ü b", "COPY", &["--a=Ã¼"], "b"),
            // A byte of the character is taken for a space.
            ("COPY --a=\u{180b} b", "COPY", &["--a=á"], "b"),
        ] {
            let mut line = Line::default();
            line.push(text, 0);
            let split = split(&line, 0..text.len(), Escape::Backslash);
            assert_eq!(split.keyword.value, keyword, "{text}");
            let found: Vec<&str> = split.flags.iter().map(Word::as_str).collect();
            assert_eq!(found, flags, "{text}");
            assert_eq!(&text[split.rest], rest, "{text}");
        }
    }

    #[test]
    fn flags_know_where_they_stand() {
        let mut line = Line::default();
        line.push("COPY --a='x y' b", 100);
        let split = split(&line, 0..16, Escape::Backslash);
        assert_eq!(
            (split.flags[0].span.start, split.flags[0].span.end),
            (105, 114)
        );
    }
}
