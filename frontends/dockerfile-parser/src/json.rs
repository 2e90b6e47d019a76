//! The exec form: a JSON list of strings, by the grammar of Go's `encoding/json`.

use std::ops::Range;

/// How deep lists and objects may be nested, as in Go.
const DEEPEST: usize = 10_000;

/// What a text is, seen as the exec form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// No JSON list: then it is the shell form.
    Other,
    /// A list of strings, and where each stands in the text.
    Strings(Vec<(String, Range<usize>)>),
    /// A list with an element that is no string, which stands there.
    NotStrings(Range<usize>),
}

/// Reads a text as a JSON list.
pub fn read(text: &str) -> Json {
    let mut reader = Reader {
        text,
        at: text.len() - text.trim_start().len(),
    };
    reader.list().unwrap_or(Json::Other)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.eat(byte).then_some(())
    }

    fn spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn list(&mut self) -> Option<Json> {
        self.expect(b'[')?;
        let mut strings = Vec::new();
        let mut other = None;
        self.spaces();
        if !self.eat(b']') {
            loop {
                self.spaces();
                let start = self.at;
                if self.peek() == Some(b'"') {
                    let value = self.string()?;
                    strings.push((value, start..self.at));
                } else {
                    self.value()?;
                    other.get_or_insert(start..self.at);
                }
                self.spaces();
                if self.eat(b']') {
                    break;
                }
                self.expect(b',')?;
            }
        }
        self.spaces();
        (self.at == self.text.len()).then(|| other.map_or(Json::Strings(strings), Json::NotStrings))
    }

    /// Skips a value of any kind. Lists and objects that are open are kept in a list of their own: the depth of a text must not be ours.
    fn value(&mut self) -> Option<()> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            self.spaces();
            let close = match self.peek()? {
                b'[' => b']',
                b'{' => b'}',
                _ => {
                    self.scalar()?;
                    0
                }
            };
            if close != 0 {
                self.at += 1;
                if open.len() + 1 >= DEEPEST {
                    return None;
                }
                self.spaces();
                if !self.eat(close) {
                    open.push(close);
                    if close == b'}' {
                        self.key()?;
                    }
                    continue;
                }
            }
            // A value has ended, and all that end with it.
            loop {
                let Some(&close) = open.last() else {
                    return Some(());
                };
                self.spaces();
                if self.eat(close) {
                    open.pop();
                    continue;
                }
                self.expect(b',')?;
                if close == b'}' {
                    self.key()?;
                }
                break;
            }
        }
    }

    fn key(&mut self) -> Option<()> {
        self.spaces();
        self.string()?;
        self.spaces();
        self.expect(b':')
    }

    /// Skips a string, a number, `true`, `false` or `null`.
    fn scalar(&mut self) -> Option<()> {
        if self.peek() == Some(b'"') {
            return self.string().map(drop);
        }
        for word in ["true", "false", "null"] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Some(());
            }
        }
        self.number()
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        // Go refuses what does not fit a float.
        let number: f64 = self.text[start..self.at].parse().ok()?;
        number.is_finite().then_some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn string(&mut self) -> Option<String> {
        self.expect(b'"')?;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let c = rest.chars().next()?;
            self.at += c.len_utf8();
            match c {
                '"' => return Some(out),
                '\\' => out.push(self.escape()?),
                c if c < ' ' => return None,
                c => out.push(c),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let byte = self.peek()?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\x08',
            b'f' => '\x0c',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex()?;
                if let Some(c) = char::from_u32(first) {
                    return Some(c);
                }
                // One half of a pair. Half a pair alone is the replacement character.
                let behind = self.at;
                let second = self.text[behind..].starts_with("\\u").then(|| {
                    self.at += 2;
                    self.hex()
                });
                if let Some(second) = second
                    && let Some(c) = pair(first, second?)
                {
                    return Some(c);
                }
                self.at = behind;
                char::REPLACEMENT_CHARACTER
            }
            _ => return None,
        })
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }
}

/// The character of two surrogates.
fn pair(first: u32, second: u32) -> Option<char> {
    let is_pair = (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second);
    is_pair
        .then(|| 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))
        .and_then(char::from_u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_strings_are_read() {
        for (text, expected) in [
            (r#"["a"]"#, &["a"][..]),
            (r#" [ "a" , "b c" ] "#, &["a", "b c"]),
            ("[]", &[]),
            ("[ ]", &[]),
            (r#"["\"\\\/\n\u00e9\ud83d\ude00"]"#, &["\"\\/\né😀"]),
            (
                r#"["\ud83d", "\ud83dx", "\ude00\u0041"]"#,
                &["\u{fffd}", "\u{fffd}x", "\u{fffd}A"],
            ),
            (r#"["ü"]"#, &["ü"]),
        ] {
            match read(text) {
                Json::Strings(found) => {
                    let values: Vec<&str> = found.iter().map(|(value, _)| value.as_str()).collect();
                    assert_eq!(values, expected, "{text}");
                    for (_, range) in found {
                        assert!(text[range].starts_with('"'), "{text}");
                    }
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn other_elements_are_told_from_other_texts() {
        for (text, range) in [
            (r#"["a", 1]"#, Some(6..7)),
            ("[null]", Some(1..5)),
            (r#"[{"a":[1.5e3,{}],"b":true}, "x"]"#, Some(1..26)),
            ("[[[]]]", Some(1..5)),
            ("[1e999]", None),
            ("[01]", None),
            ("['a']", None),
            (r#"["a",]"#, None),
            (r#"["a"] x"#, None),
            (r#"["a""#, None),
            ("[\"a\tb\"]", None),
            (r#"["\x"]"#, None),
            (r#"["\u12"]"#, None),
            (r#"{"a":1}"#, None),
            ("[a]", None),
            ("", None),
        ] {
            let expected = range.map_or(Json::Other, Json::NotStrings);
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(read(&"[".repeat(100_000)), Json::Other);
        let (open, close) = ("[".repeat(9_999), "]".repeat(9_999));
        assert!(matches!(
            read(&format!("[{open}{close}]")),
            Json::NotStrings(_)
        ));
        assert_eq!(read(&format!("[[{open}{close}]]")), Json::Other);
    }
}
