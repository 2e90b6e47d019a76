//! Parser directives: `# syntax=`, `# escape=` and `# check=` at the top of the text.
//!
//! BuildKit reads them twice, with slightly different eyes. The parser wants `escape`: it skips spaces before the `#` and takes a second
//! directive of a name for an error. Whoever looks for `syntax` and `check` wants the `#` in the first column, and skips a `#!` line.

use crate::comments::first_part;
use crate::error::{Error, Problem};
use crate::span::{Span, Word};

/// The character that escapes others and continues lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escape {
    /// `\`, unless said otherwise.
    #[default]
    Backslash,
    /// The backtick, for paths of Windows.
    Backtick,
}

impl Escape {
    /// The character itself.
    #[must_use]
    pub fn char(self) -> char {
        match self {
            Self::Backslash => '\\',
            Self::Backtick => '`',
        }
    }
}

/// What the directives say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `syntax`: the image of a frontend, and what else stands on the line.
    pub syntax: Option<Word>,
    /// `escape`.
    pub escape: Escape,
    /// `check`: the settings of the build's checks, up to the first space.
    pub check: Option<Word>,
}

const NAMES: [&str; 3] = ["syntax", "escape", "check"];
/// Go's `\s`.
const SPACES: [char; 5] = [' ', '\t', '\n', '\x0c', '\r'];

/// A directive in a comment line that starts at `offset`: its name and its value.
pub(crate) fn directive(line: &str, offset: usize) -> Option<(&'static str, Word)> {
    let comment = line.strip_prefix('#')?.trim_start();
    let length = comment
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(comment.len());
    let (name, rest) = comment.split_at(length);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let raw = rest.trim_start_matches(SPACES).strip_prefix('=')?;
    let value = match raw.trim_start_matches(SPACES) {
        // There must be a value; where there are only spaces, the last one is it.
        "" => &raw[raw.len().checked_sub(1)?..],
        value => value.trim_end_matches(SPACES),
    };
    let name = NAMES
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(name))?;
    // `value` is a part of `line`.
    let start = offset + (value.as_ptr() as usize - line.as_ptr() as usize);
    let word = Word {
        value: value.to_owned(),
        span: Span::new(start, start + value.len()),
    };
    Some((name, word))
}

/// The directives as the parser meets them, line by line.
#[derive(Debug, Default)]
pub struct DirectiveReader {
    is_done: bool,
    seen: Vec<&'static str>,
    /// The escape character so far.
    pub escape: Escape,
}

impl DirectiveReader {
    /// Reads the next line, without spaces at its start and its line break. The first that is no directive ends them. Whether it is one.
    pub fn line(&mut self, line: &str, offset: usize) -> Result<bool, Error> {
        if self.is_done {
            return Ok(false);
        }
        let Some((name, value)) = directive(line, offset) else {
            self.is_done = true;
            return Ok(false);
        };
        if self.seen.contains(&name) {
            return Err(Problem::DirectiveTwice { name }.at(value.span));
        }
        self.seen.push(name);
        if name == "escape" {
            self.escape = match value.as_str() {
                "\\" => Escape::Backslash,
                "`" => Escape::Backtick,
                _ => return Err(Problem::Escape { value: value.value }.at(value.span)),
            };
        }
        Ok(true)
    }
}

/// Looks for `syntax` and `check`. Also finds them in a text that is no Dockerfile.
pub fn detect(text: &str) -> Directives {
    let mut found = Directives::default();
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut offset = text.len() - body.len();
    let mut seen = Vec::new();
    for (index, whole) in body.split_inclusive('\n').enumerate() {
        let line = whole.strip_suffix('\n').unwrap_or(whole);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let start = offset;
        offset += whole.len();
        if index == 0 && line.starts_with("#!") {
            continue;
        }
        match directive(line, start) {
            Some((name, _)) if seen.contains(&name) => break,
            Some((name, value)) => {
                seen.push(name);
                match name {
                    "syntax" => found.syntax = Some(value),
                    "check" => {
                        let settings = first_part(&value.value).to_owned();
                        let end = value.span.start + settings.len();
                        found.check = Some(Word {
                            value: settings,
                            span: Span::new(value.span.start, end),
                        });
                    }
                    _ => {}
                }
            }
            None => break,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_comments_of_a_certain_form() {
        for (line, expected) in [
            ("# escape=`", Some(("escape", "`"))),
            ("#Escape = x ", Some(("escape", "x"))),
            (
                "#\tsyntax=docker/dockerfile:1 a b",
                Some(("syntax", "docker/dockerfile:1 a b")),
            ),
            ("# check=skip=all", Some(("check", "skip=all"))),
            ("# escape=  ", Some(("escape", " "))),
            ("# escape=", None),
            ("# escape", None),
            ("# other=1", None),
            ("# 1escape=`", None),
            ("escape=`", None),
            ("# the escape=`", None),
        ] {
            let found = directive(line, 7);
            let shown = found.as_ref().map(|(name, value)| (*name, value.as_str()));
            assert_eq!(shown, expected, "{line}");
            if let Some((_, value)) = found {
                assert_eq!(&line[value.span.start - 7..value.span.end - 7], value.value);
            }
        }
    }

    #[test]
    fn syntax_is_looked_for_at_the_top_only() {
        for (text, expected) in [
            ("# syntax=a\nFROM x", Some("a")),
            ("\u{feff}# syntax=a\r\n", Some("a")),
            ("#!/usr/bin/env x\n# escape=`\n#syntax = a b", Some("a b")),
            ("\n# syntax=a", None),
            (" # syntax=a", None),
            ("# about\n# syntax=a", None),
            ("# syntax=a\n# syntax=b", Some("a")),
            ("FROM x\n# syntax=a", None),
        ] {
            let found = detect(text).syntax;
            assert_eq!(found.as_ref().map(Word::as_str), expected, "{text:?}");
        }
    }
}
