//! The forms of arguments: words between spaces, words with quotes, names with values, JSON lists.

use std::ops::Range;

use crate::directives::Escape;
use crate::error::{Error, Problem};
use crate::instruction::{CommandLine, Pair};
use crate::json::{self, Json};
use crate::line::Line;
use crate::span::Word;
use crate::split::SEPARATORS;

/// The words between spaces; quotes mean nothing.
pub fn spaced(line: &Line, range: Range<usize>) -> Vec<Word> {
    let mut words = Vec::new();
    let mut at = range.start;
    for part in line.text()[range].split(SEPARATORS) {
        if !part.is_empty() {
            words.push(line.word(at..at + part.len()));
        }
        // Separators are a byte each.
        at += part.len() + 1;
    }
    words
}

/// Where the words stand if quotes and escapes can keep spaces in one. Both belong to the words.
pub fn quoted(line: &Line, range: Range<usize>, escape: Escape) -> Vec<Range<usize>> {
    let text = &line.text()[range.clone()];
    let escape = escape.char();
    let mut words = Vec::new();
    let mut chars = text.char_indices().peekable();
    let mut start = None;
    let mut quote = None;
    while let Some((at, c)) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            if let Some(start) = start.take() {
                words.push(range.start + start..range.start + at);
            }
            continue;
        }
        let word_start = *start.get_or_insert(at);
        if quote == Some(c) {
            quote = None;
        } else if c == escape && quote != Some('\'') {
            // What it escapes belongs to the word; at the end of the text it is dropped.
            if chars.next().is_none() {
                if at > word_start {
                    words.push(range.start + word_start..range.start + at);
                }
                return words;
            }
        } else if quote.is_none() && matches!(c, '\'' | '"') {
            quote = Some(c);
        }
    }
    if let Some(start) = start {
        words.push(range.start + start..range.end);
    }
    words
}

/// `name=value …`, or the old form `name value`.
pub fn pairs(
    line: &Line,
    range: Range<usize>,
    escape: Escape,
    instruction: &'static str,
) -> Result<Vec<Pair>, Error> {
    let words = quoted(line, range.clone(), escape);
    let Some(first) = words.first() else {
        return Err(Problem::NoArgument { instruction }.at(line.whole()));
    };
    let is_old_form = !line.text()[first.clone()].contains('=');
    if is_old_form {
        let text = &line.text()[range.clone()];
        let Some(end) = text.find(SEPARATORS) else {
            return Err(Problem::NoValue { instruction }.at(line.span(first)));
        };
        let value = text[end..].trim_start_matches(SEPARATORS);
        return Ok(vec![Pair {
            name: line.word(range.start..range.start + end),
            value: line.word(range.end - value.len()..range.end),
            is_old_form,
        }]);
    }
    words
        .into_iter()
        .map(|word| match cut(line, &word) {
            (name, _) if name.value.is_empty() => {
                Err(Problem::BlankName { instruction }.at(line.span(&word)))
            }
            (name, Some(value)) => Ok(Pair {
                name,
                value,
                is_old_form,
            }),
            (name, None) => Err(Problem::NoEquals {
                word: name.value,
                instruction,
            }
            .at(name.span)),
        })
        .collect()
}

/// Both sides of the first `=` of a word.
pub fn cut(line: &Line, word: &Range<usize>) -> (Word, Option<Word>) {
    match line.text()[word.clone()].find('=') {
        Some(at) => (
            line.word(word.start..word.start + at),
            Some(line.word(word.start + at + 1..word.end)),
        ),
        None => (line.word(word.clone()), None),
    }
}

/// A list in JSON form; nothing where it is another form.
fn exec(line: &Line, range: &Range<usize>) -> Result<Option<Vec<Word>>, Error> {
    let inside =
        |part: Range<usize>| line.span(&(range.start + part.start..range.start + part.end));
    match json::read(&line.text()[range.clone()]) {
        Json::Other => Ok(None),
        Json::NotStrings(part) => Err(Problem::NotStrings.at(inside(part))),
        Json::Strings(strings) => Ok(Some(
            strings
                .into_iter()
                .map(|(value, part)| Word {
                    value,
                    span: inside(part),
                })
                .collect(),
        )),
    }
}

/// A command: in JSON form if it can be read as such, else in shell form, whatever it looks like.
pub fn command(line: &Line, range: Range<usize>) -> Result<CommandLine, Error> {
    Ok(match exec(line, &range)? {
        Some(words) => CommandLine::Exec(words),
        None => CommandLine::Shell(line.word(range)),
    })
}

/// A list in JSON form, or of words between spaces.
pub fn list(line: &Line, range: Range<usize>) -> Result<Vec<Word>, Error> {
    Ok(match exec(line, &range)? {
        Some(words) => words,
        None => spaced(line, range),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Span;

    fn line(text: &str) -> Line {
        let mut line = Line::default();
        line.push(text, 0);
        line
    }

    fn values(words: &[Word]) -> Vec<&str> {
        words.iter().map(Word::as_str).collect()
    }

    #[test]
    fn words_are_separated_by_spaces() {
        let text = "a  \"b c\"\t'd";
        let words = spaced(&line(text), 0..text.len());
        assert_eq!(values(&words), ["a", "\"b", "c\"", "'d"]);
        assert_eq!(words[3].span, Span::new(9, 11));
    }

    #[test]
    fn quotes_and_escapes_keep_spaces() {
        for (text, escape, expected) in [
            ("a b", Escape::Backslash, &["a", "b"][..]),
            ("a=\"b c\" d", Escape::Backslash, &["a=\"b c\"", "d"]),
            (r"a=b\ c d", Escape::Backslash, &[r"a=b\ c", "d"]),
            ("a=b` c d", Escape::Backtick, &["a=b` c", "d"]),
            (r"a=b\ c", Escape::Backtick, &[r"a=b\", "c"]),
            (r"a='b\' c", Escape::Backslash, &[r"a='b\'", "c"]),
            (r#"a="b\" c" d"#, Escape::Backslash, &[r#"a="b\" c""#, "d"]),
            (r"a b\", Escape::Backslash, &["a", "b"]),
            (r"a \", Escape::Backslash, &["a"]),
            ("'' \"\"", Escape::Backslash, &["''", "\"\""]),
            ("a='b c", Escape::Backslash, &["a='b c"]),
            ("ü=漢 字", Escape::Backslash, &["ü=漢", "字"]),
            ("", Escape::Backslash, &[]),
        ] {
            let words: Vec<&str> = quoted(&line(text), 0..text.len(), escape)
                .into_iter()
                .map(|word| &text[word])
                .collect();
            assert_eq!(words, expected, "{text}");
        }
    }

    #[test]
    fn names_have_values() {
        for (text, expected) in [
            (
                "a=b c=\"d e\" f=",
                &[("a", "b"), ("c", "\"d e\""), ("f", "")][..],
            ),
            ("a b  c ", &[("a", "b  c ")]),
            ("a b=c", &[("a", "b=c")]),
            ("a=b=c", &[("a", "b=c")]),
            ("\"a b\"=c", &[("\"a b\"", "c")]),
        ] {
            let pairs = pairs(&line(text), 0..text.len(), Escape::Backslash, "ENV").unwrap();
            let found: Vec<(&str, &str)> = pairs
                .iter()
                .map(|pair| (pair.name.as_str(), pair.value.as_str()))
                .collect();
            assert_eq!(found, expected, "{text}");
            for pair in pairs {
                assert_eq!(&text[Range::from(pair.value.span)], pair.value.value);
                assert_eq!(&text[Range::from(pair.name.span)], pair.name.value);
            }
        }
        for text in ["", "a", "a=b c", "=b", "a=b =c"] {
            assert!(
                pairs(&line(text), 0..text.len(), Escape::Backslash, "ENV").is_err(),
                "{text}"
            );
        }
    }
}
