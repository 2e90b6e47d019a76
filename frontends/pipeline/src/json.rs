//! JSON (RFC 8259) with places. Strict: what programs disagree about is an error.

use std::collections::HashMap;
use std::sync::Arc;

use crate::document::{Entry, Kind, Value};
use crate::limits::DEPTH;
use crate::position::{Lines, Span};
use crate::problem::{Place, Problem};

/// Reads a whole text.
pub fn parse(file: &Arc<str>, text: &str) -> Result<Value, Problem> {
    let mut reader = Reader {
        file,
        text,
        lines: Lines::of(text),
        at: 0,
        depth: 0,
    };
    reader.space()?;
    let value = reader.value("a value")?;
    reader.space()?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.unexpected("the end of the text")),
    }
}

struct Reader<'a> {
    file: &'a Arc<str>,
    text: &'a str,
    lines: Lines<'a>,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn advance(&mut self, character: char) {
        self.at += character.len_utf8();
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        if is_there {
            self.advance(wanted);
        }
        is_there
    }

    fn place(&self, start: usize, end: usize) -> Place {
        Place {
            file: Arc::clone(self.file),
            span: self.span(start, end),
            path: String::new(),
        }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        self.lines.span(start, end)
    }

    fn problem(&self, start: usize, message: impl Into<String>) -> Problem {
        self.place(start, self.at).problem(message)
    }

    fn unexpected(&self, wanted: &str) -> Problem {
        let (found, length) = match self.peek() {
            Some(character) => (
                format!("`{}`", character.escape_debug()),
                character.len_utf8(),
            ),
            None => ("the end of the text".to_owned(), 0),
        };
        self.place(self.at, self.at + length)
            .problem(format!("{wanted} is expected here, not {found}"))
    }

    fn space(&mut self) -> Result<(), Problem> {
        while let Some(character) = self.peek() {
            match character {
                ' ' | '\t' | '\n' | '\r' => self.advance(character),
                '/' | '#' => {
                    let line = self.rest().lines().next().unwrap_or_default().len();
                    let place = self.place(self.at, self.at + line);
                    return Err(place
                        .problem("JSON has no comments")
                        .help("leave it out, or write the pipeline in YAML"));
                }
                _ => break,
            }
        }
        Ok(())
    }

    fn value(&mut self, wanted: &str) -> Result<Value, Problem> {
        let start = self.at;
        let kind = match self.peek() {
            Some('{') => self.nested(Self::object)?,
            Some('[') => self.nested(Self::array)?,
            Some('"') => Kind::String(self.string()?),
            Some('-' | '0'..='9') => Kind::Number(self.number()?),
            Some('a'..='z' | 'A'..='Z') => self.word()?,
            _ => return Err(self.unexpected(wanted)),
        };
        Ok(Value {
            kind,
            span: self.span(start, self.at),
        })
    }

    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Kind, Problem>,
    ) -> Result<Kind, Problem> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.problem(self.at, format!("more than {DEPTH} values in each other")));
        }
        let start = self.at;
        let kind = read(self).map_err(|problem| match self.peek() {
            // An error at the end of the text says little; where it should have been closed says more.
            None if problem.also.is_empty() => {
                problem.also("this is not closed", self.place(start, start + 1))
            }
            _ => problem,
        });
        self.depth -= 1;
        kind
    }

    /// Goes on behind a comma; false at the closing bracket.
    fn more(&mut self, close: char) -> Result<bool, Problem> {
        self.space()?;
        if self.take(close) {
            return Ok(false);
        }
        let comma = self.at;
        if !self.take(',') {
            return Err(self.unexpected(&format!("`,` or `{close}`")));
        }
        self.space()?;
        if self.peek() == Some(close) {
            return Err(self
                .place(comma, comma + 1)
                .problem(format!("JSON has no comma before `{close}`"))
                .help("leave it out"));
        }
        Ok(true)
    }

    fn array(&mut self) -> Result<Kind, Problem> {
        let mut values = Vec::new();
        self.take('[');
        self.space()?;
        if self.take(']') {
            return Ok(Kind::List(values));
        }
        loop {
            values.push(self.value("a value")?);
            if !self.more(']')? {
                return Ok(Kind::List(values));
            }
        }
    }

    fn object(&mut self) -> Result<Kind, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut known: HashMap<String, Span> = HashMap::new();
        self.take('{');
        self.space()?;
        if self.take('}') {
            return Ok(Kind::Map(entries));
        }
        loop {
            let start = self.at;
            if self.peek() != Some('"') {
                return Err(self.unexpected("a name in double quotes"));
            }
            let key = self.string()?;
            let key_span = self.span(start, self.at);
            if let Some(span) = known.insert(key.clone(), key_span) {
                let first = Place {
                    span,
                    ..self.place(start, self.at)
                };
                return Err(self
                    .problem(start, format!("`{key}` is there twice"))
                    .also("it is here first", first));
            }
            self.space()?;
            if !self.take(':') {
                return Err(self.unexpected("`:`"));
            }
            self.space()?;
            let value = self.value("a value")?;
            entries.push(Entry {
                key,
                key_span,
                value,
            });
            if !self.more('}')? {
                return Ok(Kind::Map(entries));
            }
        }
    }

    fn word(&mut self) -> Result<Kind, Problem> {
        let start = self.at;
        let length = self
            .rest()
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(self.rest().len());
        self.at += length;
        match self.text.get(start..self.at).unwrap_or_default() {
            "null" => Ok(Kind::Null),
            "true" => Ok(Kind::Bool(true)),
            "false" => Ok(Kind::Bool(false)),
            word => Err(self
                .problem(start, format!("`{word}` is no value in JSON"))
                .help("a text stands in double quotes")),
        }
    }

    fn digits(&mut self) -> Result<(), Problem> {
        if !matches!(self.peek(), Some('0'..='9')) {
            return Err(self.unexpected("a digit"));
        }
        while matches!(self.peek(), Some('0'..='9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<String, Problem> {
        let start = self.at;
        self.take('-');
        if self.take('0') {
            if matches!(self.peek(), Some('0'..='9')) {
                return Err(self
                    .problem(start, "a number in JSON does not begin with 0")
                    .help("a mode is a text: \"0755\""));
            }
        } else {
            self.digits()?;
        }
        if self.take('.') {
            self.digits()?;
        }
        if self.take('e') || self.take('E') {
            let _ = self.take('+') || self.take('-');
            self.digits()?;
        }
        Ok(self.text.get(start..self.at).unwrap_or_default().to_owned())
    }

    fn string(&mut self) -> Result<String, Problem> {
        let start = self.at;
        let mut text = String::new();
        self.take('"');
        loop {
            let Some(character) = self.peek() else {
                return Err(self
                    .place(start, start + 1)
                    .problem("the text that begins here has no end")
                    .help("it ends at a double quote"));
            };
            match character {
                '"' => {
                    self.advance(character);
                    return Ok(text);
                }
                '\\' => text.push(self.escape()?),
                '\0'..='\x1f' => {
                    let place = self.place(self.at, self.at + 1);
                    return Err(place
                        .problem(format!(
                            "`{}` in a text must be escaped",
                            character.escape_debug()
                        ))
                        .help(match character {
                            '\n' => "a line end is written \\n",
                            _ => "write it as \\u and four hexadecimal digits",
                        }));
                }
                _ => {
                    self.advance(character);
                    text.push(character);
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Problem> {
        let start = self.at;
        self.take('\\');
        let Some(character) = self.peek() else {
            return Err(self.unexpected("the rest of an escape"));
        };
        self.advance(character);
        Ok(match character {
            '"' | '\\' | '/' => character,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode(start),
            _ => {
                return Err(self
                    .problem(start, format!("JSON has no escape `\\{character}`"))
                    .help("a backslash itself is written \\\\"));
            }
        })
    }

    fn unicode(&mut self, start: usize) -> Result<char, Problem> {
        let first = self.hex()?;
        let code = match first {
            0xd800..=0xdbff => {
                if !(self.take('\\') && self.take('u')) {
                    return Err(self.problem(start, "half of a surrogate pair"));
                }
                let second = self.hex()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.problem(start, "half of a surrogate pair"));
                }
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            other => other,
        };
        char::from_u32(code).ok_or_else(|| self.problem(start, "half of a surrogate pair"))
    }

    fn hex(&mut self) -> Result<u32, Problem> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|c| Some((c, c.to_digit(16)?)));
            let Some((character, value)) = digit else {
                return Err(self.unexpected("a hexadecimal digit"));
            };
            self.advance(character);
            code = code * 16 + value;
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, Problem> {
        parse(&"p.json".into(), text)
    }

    fn message(text: &str) -> String {
        read(text).expect_err(text).to_string()
    }

    #[test]
    fn values_have_their_places() {
        let value = read("{\n  \"a\": [1, \"\\u00e4\\ud83d\\ude00\", null, true, -1.5e+3]\n}")
            .expect("it is JSON");
        let Kind::Map(entries) = value.kind else {
            panic!("an object is a map");
        };
        assert_eq!(entries[0].key, "a");
        assert_eq!(
            (
                entries[0].key_span.start.line,
                entries[0].key_span.start.column
            ),
            (2, 3)
        );
        let Kind::List(list) = &entries[0].value.kind else {
            panic!("an array is a list");
        };
        assert_eq!(list[0].kind, Kind::Number("1".into()));
        assert_eq!(list[1].kind, Kind::String("\u{e4}\u{1f600}".into()));
        assert_eq!(list[2].kind, Kind::Null);
        assert_eq!(list[3].kind, Kind::Bool(true));
        assert_eq!(list[4].kind, Kind::Number("-1.5e+3".into()));
        assert_eq!(list[4].span.end.column, 53);
    }

    #[test]
    fn what_is_no_json_is_an_error_at_its_place() {
        for (text, expected) in [
            (
                "",
                "p.json:1:1: a value is expected here, not the end of the text",
            ),
            ("[1,]", "p.json:1:3: JSON has no comma before `]`"),
            ("{\"a\": 1,\n}", "p.json:1:8: JSON has no comma before `}`"),
            ("// x\n1", "p.json:1:1: JSON has no comments"),
            ("{\"a\": 1, \"a\": 2}", "p.json:1:10: `a` is there twice"),
            ("[1 2]", "p.json:1:4: `,` or `]` is expected here, not `2`"),
            (
                "{a: 1}",
                "p.json:1:2: a name in double quotes is expected here, not `a`",
            ),
            (
                "1 1",
                "p.json:1:3: the end of the text is expected here, not `1`",
            ),
            (
                "\u{feff}1",
                "p.json:1:1: a value is expected here, not `\\u{feff}`",
            ),
            ("True", "p.json:1:1: `True` is no value in JSON"),
            ("01", "p.json:1:1: a number in JSON does not begin with 0"),
            (
                "1.",
                "p.json:1:3: a digit is expected here, not the end of the text",
            ),
            ("\"\n\"", "p.json:1:2: `\\n` in a text must be escaped"),
            ("\"\\x\"", "p.json:1:2: JSON has no escape `\\x`"),
            ("\"\\ud800\"", "p.json:1:2: half of a surrogate pair"),
            ("\"\\udc00\"", "p.json:1:2: half of a surrogate pair"),
            ("\"a", "p.json:1:1: the text that begins here has no end"),
        ] {
            assert_eq!(message(text), expected, "{text:?}");
        }
        let open = read("{\"a\": [1").expect_err("it is not closed");
        assert_eq!(open.also[0].1.span.start.column, 7);
        let twice = read("{\"a\": 1, \"a\": 2}").expect_err("it is there twice");
        assert_eq!(twice.also[0].1.span.start.column, 2);
    }

    #[test]
    fn deep_values_are_refused() {
        let deep = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(&deep(DEPTH)).is_ok());
        let text = message(&deep(100_000));
        assert!(text.contains("values in each other"), "{text}");
    }
}
