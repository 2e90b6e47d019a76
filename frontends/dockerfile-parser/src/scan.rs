//! A text as instructions that are not understood yet: continuation lines joined, comments and blank lines left out,
//! here-documents attached.

use crate::comments::Comments;
use crate::directives::{DirectiveReader, Escape};
use crate::error::{Error, Problem};
use crate::heredoc::{self, Heredoc};
use crate::json::{self, Json};
use crate::line::Line;
use crate::span::Span;
use crate::split::{Split, split};
use crate::warning::{Warning, WarningKind};

/// The longest line that Go's scanner gives to BuildKit.
const LONGEST: usize = 64 * 1024 - 1;

/// An instruction that is not understood yet.
#[derive(Clone, Debug)]
pub struct Raw {
    /// From its keyword to its end, here-documents included.
    pub span: Span,
    /// Its logical line.
    pub line: Line,
    /// The parts of that.
    pub split: Split,
    /// Its here-documents.
    pub heredocs: Vec<Heredoc>,
    /// The escape character that it was read with.
    pub escape: Escape,
    /// The comments before it.
    pub comments: Comments,
}

/// Reads a text, instruction by instruction.
#[derive(Debug)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    directives: DirectiveReader,
    /// What was met so far.
    pub warnings: Vec<Warning>,
}

impl<'a> Scanner<'a> {
    /// Starts at the top of a text.
    pub fn new(text: &'a str) -> Self {
        let body = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self {
            text,
            at: text.len() - body.len(),
            directives: DirectiveReader::default(),
            warnings: Vec::new(),
        }
    }

    /// The escape character as far as is known.
    pub fn escape(&self) -> Escape {
        self.directives.escape
    }

    /// The next line with its break, and where it starts.
    fn line(&mut self) -> Result<Option<(&'a str, usize)>, Error> {
        let start = self.at;
        let rest = &self.text[start..];
        if rest.is_empty() {
            return Ok(None);
        }
        let length = rest.find('\n').map_or(rest.len(), |at| at + 1);
        let line = &rest[..length];
        if line.strip_suffix('\n').unwrap_or(line).len() > LONGEST {
            let span = Span::new(start, start + length);
            return Err(Problem::LineTooLong { limit: LONGEST }.at(span));
        }
        self.at += length;
        Ok(Some((line, start)))
    }

    /// The next instruction.
    pub fn instruction(&mut self) -> Result<Option<Raw>, Error> {
        let mut comments = Comments::default();
        while let Some((whole, start)) = self.line()? {
            let content = without_break(whole);
            let trimmed = content.trim_start();
            let start = start + (content.len() - trimmed.len());
            let is_directive = self.directives.line(trimmed, start)?;
            if trimmed.starts_with('#') {
                if !is_directive {
                    comments.push(content);
                }
            } else if !trimmed.is_empty() {
                return self.read(trimmed, start, comments).map(Some);
            }
        }
        Ok(None)
    }

    fn read(&mut self, first: &str, start: usize, comments: Comments) -> Result<Raw, Error> {
        let mut line = Line::default();
        let mut is_open = self.push(&mut line, first, start);
        let mut has_gap = false;
        // The last line that was read, its break included.
        let mut last = Span::new(start, start + first.len());
        while is_open {
            let Some((whole, start)) = self.line()? else {
                break;
            };
            last = Span::new(start, start + whole.len());
            let content = without_break(whole);
            match content.trim_start().chars().next() {
                Some('#') => {}
                None => has_gap = true,
                Some(_) => is_open = self.push(&mut line, content, start),
            }
        }
        if has_gap {
            self.warnings.push(Warning {
                kind: WarningKind::EmptyContinuation,
                span: last,
            });
        }
        let mut span = line.whole();
        if span.end <= last.start {
            // Lines that continue nothing belong to it all the same.
            span.end = last.end;
        }
        let escape = self.escape();
        let split = split(&line, 0..line.text().len(), escape);
        let mut raw = Raw {
            span: Span::new(start.min(span.start), span.end),
            line,
            split,
            heredocs: Vec::new(),
            escape,
            comments,
        };
        if takes_heredocs(&raw) {
            self.heredocs(&mut raw)?;
        }
        Ok(raw)
    }

    /// Appends a line without its continuation character. Whether it had one: the escape character at the end (spaces aside), not
    /// escaped itself.
    fn push(&self, line: &mut Line, content: &str, start: usize) -> bool {
        let escape = self.escape().char();
        let kept = content
            .trim_end_matches([' ', '\t'])
            .strip_suffix(escape)
            .filter(|before| !before.ends_with(escape));
        line.push(kept.unwrap_or(content), start);
        kept.is_some()
    }

    fn heredocs(&mut self, raw: &mut Raw) -> Result<(), Error> {
        let openings = heredoc::openings(raw.line.text())
            .map_err(|error| Problem::Word(error).at(raw.line.whole()))?;
        let mut searched = 0;
        for (opening, word) in openings {
            let found = raw.line.text()[searched..].find(&word);
            let span = match found {
                Some(at) => {
                    let start = searched + at;
                    searched = start + word.len();
                    raw.line.span(&(start..searched))
                }
                None => raw.line.whole(),
            };
            let start = self.at;
            let end = loop {
                let Some((whole, line_start)) = self.line()? else {
                    return Err(Problem::OpenHeredoc { name: opening.name }.at(span));
                };
                let mut content = without_break(whole);
                if opening.chomp {
                    content = content.trim_start_matches('\t');
                }
                if content == opening.name {
                    raw.span.end = line_start + without_break(whole).len();
                    break line_start;
                }
            };
            raw.heredocs.push(Heredoc {
                name: opening.name,
                content: self.text[start..end].to_owned(),
                expand: opening.expand,
                chomp: opening.chomp,
                span,
                content_span: Span::new(start, end),
            });
        }
        Ok(())
    }
}

fn without_break(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

/// Whether `<<` can mean a here-document: in RUN, COPY and ADD that are not in JSON form, also as triggers.
fn takes_heredocs(raw: &Raw) -> bool {
    if !raw.line.text().contains("<<") {
        return false;
    }
    let inner;
    let mut parts = &raw.split;
    if parts.keyword.value.eq_ignore_ascii_case("ONBUILD") {
        inner = split(&raw.line, parts.rest.clone(), raw.escape);
        parts = &inner;
    }
    let keyword = parts.keyword.value.to_ascii_uppercase();
    matches!(keyword.as_str(), "RUN" | "COPY" | "ADD")
        && !matches!(
            json::read(&raw.line.text()[parts.rest.clone()]),
            Json::Strings(_)
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Result<Vec<Raw>, Error> {
        let mut scanner = Scanner::new(text);
        let mut all = Vec::new();
        while let Some(raw) = scanner.instruction()? {
            all.push(raw);
        }
        Ok(all)
    }

    #[test]
    fn continued_lines_are_one() {
        for (text, lines) in [
            ("FROM a\nRUN b", &["FROM a", "RUN b"][..]),
            (
                "\u{feff}FROM a\r\n\r\nRUN b \\\r\n  c\r\n",
                &["FROM a", "RUN b   c"],
            ),
            (
                "RUN a \\\n# comment\n\n  # other\n b\nRUN c",
                &["RUN a  b", "RUN c"],
            ),
            ("RUN a \\ \t\nb", &["RUN a b"]),
            ("RUN a \\\\\nRUN b", &["RUN a \\\\", "RUN b"]),
            ("RUN a\\", &["RUN a"]),
            ("RUN a \\\n\\\nb", &["RUN a b"]),
            ("\\\nRUN a", &["RUN a"]),
            ("\\", &[""]),
            ("# escape=`\nRUN a `\nb\\\nRUN c", &["RUN a b\\", "RUN c"]),
            ("  \n\t# a\n  RUN b  ", &["RUN b  "]),
            ("RUN a # b", &["RUN a # b"]),
            ("", &[]),
        ] {
            let found = scan(text).unwrap();
            let found: Vec<&str> = found.iter().map(|raw| raw.line.text()).collect();
            assert_eq!(found, lines, "{text:?}");
        }
    }

    #[test]
    fn empty_continuation_lines_are_told() {
        let text = "RUN a \\\n\n \t\n# c\n b\nRUN c";
        let mut scanner = Scanner::new(text);
        scanner.instruction().unwrap();
        assert_eq!(scanner.warnings.len(), 1);
        assert_eq!(scanner.warnings[0].span, Span::new(16, 19));
    }

    #[test]
    fn documents_belong_to_their_instruction() {
        let text = "RUN <<a <<-'b' x\n# kept\na\n\t$x\r\n\tb\nCOPY [\"<<c\", \"d\"]\nENV <<e\nONBUILD RUN <<f\nf\n";
        let found = scan(text).unwrap();
        assert_eq!(found.len(), 4);
        let documents: Vec<(&str, &str, bool, bool)> = found
            .iter()
            .flat_map(|raw| &raw.heredocs)
            .map(|document| {
                let Heredoc {
                    name,
                    content,
                    expand,
                    chomp,
                    ..
                } = document;
                (name.as_str(), content.as_str(), *expand, *chomp)
            })
            .collect();
        assert_eq!(
            documents,
            [
                ("a", "# kept\n", true, false),
                ("b", "\t$x\r\n", false, true),
                ("f", "", true, false)
            ]
        );
        let spans: Vec<&str> = found
            .iter()
            .map(|raw| &text[raw.span.start..raw.span.end])
            .collect();
        assert!(
            spans[0].ends_with("\tb") && spans[3].ends_with("\nf"),
            "{spans:?}"
        );
        let shown: Vec<&str> = found[0]
            .heredocs
            .iter()
            .map(|document| &text[document.span.start..document.span.end])
            .collect();
        assert_eq!(shown, ["<<a", "<<-'b'"]);
    }

    #[test]
    fn what_cannot_be_is_refused_where_it_stands() {
        for (text, place) in [
            ("RUN <<a\nb\n a\n", "<<a"),
            ("RUN cat <<a\"x\" <<'b\n", ""),
            ("# escape=x\nFROM a", "x"),
            ("# escape=`\n# ESCAPE=`\n", "`"),
        ] {
            match scan(text) {
                Err(error) => {
                    let shown = &text[error.span.start..error.span.end];
                    assert_eq!(shown, place, "{text:?}: {error}");
                    assert!(error.help().is_some(), "{text:?}");
                }
                Ok(_) => assert_eq!(place, "", "{text:?} was taken"),
            }
        }
        let long = format!("FROM a\nRUN {}\n", "x".repeat(LONGEST));
        assert!(matches!(
            scan(&long).unwrap_err().problem,
            Problem::LineTooLong { .. }
        ));
        assert!(scan(&format!("RUN {}\n", "x".repeat(LONGEST - 4))).is_ok());
    }
}
