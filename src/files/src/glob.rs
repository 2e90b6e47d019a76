//! Wildcards of source paths, as Go's `filepath.Match` has them.

use crate::error::{Error, Result};

/// Whether a pattern has a wildcard. `\` takes the meaning of the character after it.
#[must_use]
pub fn has_wildcard(pattern: &str) -> bool {
    let mut bytes = pattern.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'*' | b'?' | b'[' => return true,
            _ => {}
        }
    }
    false
}

/// A compiled pattern: `*` and `?` match within a name, `[a-z]` and `[^a-z]` a character, `\` makes the next one literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(u8),
    /// Any run of characters without `/`.
    Star,
    /// One character but `/`.
    Any,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Glob {
    /// Compiles a pattern.
    pub fn new(pattern: &str) -> Result<Self> {
        let malformed = |reason| Error::Pattern {
            pattern: pattern.to_owned(),
            reason,
        };
        let mut parts = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '*' => {
                    if parts.last() != Some(&Part::Star) {
                        parts.push(Part::Star);
                    }
                }
                '?' => parts.push(Part::Any),
                '[' => parts.push(class(&mut chars).map_err(malformed)?),
                '\\' => match chars.next() {
                    Some(literal) => push_literal(&mut parts, literal),
                    None => return Err(malformed("it ends in `\\`")),
                },
                literal => push_literal(&mut parts, literal),
            }
        }
        Ok(Self { parts })
    }

    /// Whether the whole path matches.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        // Where to go on if what follows the last `*` does not match: it then takes one character more.
        let mut retry: Option<(usize, usize)> = None;
        let (mut part, mut at) = (0, 0);
        loop {
            let next = match self.parts.get(part) {
                None if at == path.len() => return true,
                None => None,
                Some(Part::Star) => {
                    retry = Some((part + 1, at));
                    part += 1;
                    continue;
                }
                Some(Part::Literal(byte)) => (path.get(at) == Some(byte)).then_some(1),
                Some(Part::Any) => character(&path[at..])
                    .filter(|(c, _)| *c != '/')
                    .map(|(_, length)| length),
                Some(Part::Class { negated, ranges }) => character(&path[at..])
                    .filter(|(c, _)| {
                        ranges.iter().any(|(low, high)| low <= c && c <= high) != *negated
                    })
                    .map(|(_, length)| length),
            };
            match (next, retry) {
                (Some(length), _) => {
                    part += 1;
                    at += length;
                }
                (None, Some((after_star, start)))
                    if path.get(start).is_some_and(|b| *b != b'/') =>
                {
                    retry = Some((after_star, start + 1));
                    part = after_star;
                    at = start + 1;
                }
                (None, _) => return false,
            }
        }
    }
}

fn push_literal(parts: &mut Vec<Part>, literal: char) {
    let mut buffer = [0; 4];
    parts.extend(literal.encode_utf8(&mut buffer).bytes().map(Part::Literal));
}

/// A character class, whose `[` was read, as a regular expression.
pub(crate) fn class_expression(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    pattern: &str,
) -> Result<String> {
    let malformed = |reason| Error::Pattern {
        pattern: pattern.to_owned(),
        reason,
    };
    let mut expression = String::from("[");
    if let Part::Class { negated, ranges } = class(chars).map_err(malformed)? {
        if negated {
            expression.push('^');
        }
        for (low, high) in ranges {
            if low > high {
                return Err(malformed("a range in `[…]` ends before it begins"));
            }
            let (low, high) = (u32::from(low), u32::from(high));
            expression.push_str(&format!("\\x{{{low:x}}}-\\x{{{high:x}}}"));
        }
    }
    expression.push(']');
    Ok(expression)
}

/// Reads a character class after its `[`.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Part, &'static str> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
            return Ok(Part::Class { negated, ranges });
        }
        let low = class_character(chars)?;
        let high = match chars.next_if_eq(&'-') {
            Some(_) => class_character(chars)?,
            None => low,
        };
        ranges.push((low, high));
    }
}

fn class_character(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
) -> Result<char, &'static str> {
    match chars.next() {
        None => Err("a `[` has no `]`"),
        Some('-' | ']') => Err("a `-` or `]` in `[…]` must follow a `\\`"),
        Some('\\') => chars.next().ok_or("it ends in `\\`"),
        Some(c) => Ok(c),
    }
}

/// The first character of a path and its length; a byte that is no UTF-8 is one character, as in Go.
fn character(path: &[u8]) -> Option<(char, usize)> {
    let first = *path.first()?;
    let length = match first {
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
        _ => 1,
    };
    let decoded = path
        .get(..length)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .and_then(|text| text.chars().next());
    Some(match decoded {
        Some(c) => (c, length),
        None => (char::REPLACEMENT_CHARACTER, 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_go() {
        for (pattern, path, matches) in [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a?b", "a☺b", true),
            ("a[^a]b", "a☺b", true),
            ("a???b", "a☺b", false),
            ("[a-ζ]*", "α", true),
            ("a?b", "a/b", false),
            ("a*b", "a/b", false),
            ("[\\]a]", "]", true),
            ("[\\-x]", "-", true),
            ("*x", "xxx", true),
            ("", "", true),
            ("**", "a", true),
            ("a[", "a", false),
        ] {
            let matched = Glob::new(pattern).is_ok_and(|glob| glob.matches(path.as_bytes()));
            assert_eq!(matched, matches, "{pattern} on {path}");
        }
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for pattern in [
            "[]a]", "[-]", "[x-]", "[-x]", "a[", "[", "[^", "[^bc", "\\", "[a-b-c]",
        ] {
            let error = Glob::new(pattern).unwrap_err();
            assert!(
                matches!(error, Error::Pattern { .. }),
                "{pattern}: {error:?}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn a_pattern_without_wildcards_matches_only_itself(name in "[a-z./]{0,8}", other in "[a-z./]{0,8}") {
            let glob = Glob::new(&name).unwrap();
            proptest::prop_assert!(glob.matches(name.as_bytes()));
            proptest::prop_assert_eq!(glob.matches(other.as_bytes()), name == other);
        }

        #[test]
        fn arbitrary_patterns_never_panic(pattern in ".{0,12}", path in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..12)) {
            if let Ok(glob) = Glob::new(&pattern) {
                let _ = glob.matches(&path);
            }
        }
    }
}
