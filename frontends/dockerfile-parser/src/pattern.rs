//! The patterns of `${name#pattern}`, `%` and `/`: `*`, `?`, and `\` before either, as BuildKit's regular expressions match them.

use crate::word_error::WordError;
use crate::words::LONGEST;

/// How many steps a match may take: the length of the pattern by that of the text.
const MOST_STEPS: usize = 1 << 28;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// Any characters of a line.
    Many,
    /// One character of a line.
    One,
    Literal(char),
}

fn parse(pattern: &str) -> Result<Vec<Token>, WordError> {
    let mut chars = pattern.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Many,
            '?' => Token::One,
            // What had to be escaped for the sake of the braces is no part of the pattern's own language.
            '\\' if matches!(chars.peek(), Some('}' | '/')) => continue,
            '\\' => match chars.next() {
                Some(c @ ('*' | '?' | '\\')) => Token::Literal(c),
                _ => {
                    return Err(WordError::PatternEscape {
                        pattern: pattern.to_owned(),
                    });
                }
            },
            c => Token::Literal(c),
        });
    }
    Ok(tokens)
}

/// For each place of the text, where the match that starts there ends. Row by row from the last token: what a token and all after it
/// match at a place depends only on the place behind it and on the tokens after it.
fn ends(tokens: &[Token], greedy: bool, text: &[char]) -> Result<Vec<Option<usize>>, WordError> {
    if tokens.len().saturating_mul(text.len()) > MOST_STEPS {
        return Err(WordError::TooLong);
    }
    let mut after: Vec<Option<usize>> = (0..=text.len()).map(Some).collect();
    for token in tokens.iter().rev() {
        let mut row = vec![None; text.len() + 1];
        for at in (0..=text.len()).rev() {
            let next = text.get(at).copied();
            row[at] = match token {
                Token::Literal(c) if next == Some(*c) => after[at + 1],
                Token::One if next.is_some_and(|c| c != '\n') => after[at + 1],
                Token::Literal(_) | Token::One => None,
                Token::Many => {
                    let longer = next.filter(|c| *c != '\n').and_then(|_| row[at + 1]);
                    if greedy {
                        longer.or(after[at])
                    } else {
                        after[at].or(longer)
                    }
                }
            };
        }
        after = row;
    }
    Ok(after)
}

/// The value without the shortest (or longest) start that matches.
pub fn trim_prefix(pattern: &str, value: &str, greedy: bool) -> Result<String, WordError> {
    let text: Vec<char> = value.chars().collect();
    let end = ends(&parse(pattern)?, greedy, &text)?[0].unwrap_or(0);
    Ok(text[end..].iter().collect())
}

/// The value without the shortest (or longest) end that matches.
pub fn trim_suffix(pattern: &str, value: &str, greedy: bool) -> Result<String, WordError> {
    let backwards: String = value.chars().rev().collect();
    let trimmed = trim_prefix(&reverse(pattern), &backwards, greedy)?;
    Ok(trimmed.chars().rev().collect())
}

/// The pattern backwards, an escaped character behind its `\`.
fn reverse(pattern: &str) -> String {
    let mut units: Vec<(char, Option<char>)> = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        units.push((c, if c == '\\' { chars.next() } else { None }));
    }
    units
        .into_iter()
        .rev()
        .flat_map(|(c, escaped)| std::iter::once(c).chain(escaped))
        .collect()
}

/// The value with the first match replaced.
pub fn replace_first(pattern: &str, value: &str, by: &str) -> Result<String, WordError> {
    let text: Vec<char> = value.chars().collect();
    let ends = ends(&parse(pattern)?, true, &text)?;
    let found = ends
        .iter()
        .enumerate()
        .find_map(|(start, end)| Some((start, (*end)?)));
    Ok(match found {
        Some((start, end)) => {
            let (before, after) = (text[..start].iter(), text[end..].iter());
            before
                .copied()
                .chain(by.chars())
                .chain(after.copied())
                .collect()
        }
        None => value.to_owned(),
    })
}

/// The value with all matches replaced. Unlike for the first one, `$` in the replacement means something (Go's `regexp.Expand`).
pub fn replace_all(pattern: &str, value: &str, by: &str) -> Result<String, WordError> {
    let text: Vec<char> = value.chars().collect();
    let ends = ends(&parse(pattern)?, true, &text)?;
    let mut out = String::new();
    let (mut search, mut copied) = (0, 0);
    while search <= text.len() {
        let found = (search..=text.len()).find_map(|start| Some((start, ends[start]?)));
        let Some((start, end)) = found else { break };
        out.extend(&text[copied..start]);
        // Nothing is replaced directly behind a match.
        if end > copied || start == 0 {
            let matched: String = text[start..end].iter().collect();
            out.push_str(&expand_template(by, &matched)?);
        }
        check_length(&out, value)?;
        copied = end;
        search = end.max(search + 1);
    }
    out.extend(text.get(copied..).unwrap_or_default());
    Ok(out)
}

/// `$0` is the match, `$$` a dollar, any other `$name` or `${name}` a group that these patterns never have.
fn expand_template(template: &str, matched: &str) -> Result<String, WordError> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let braced = after.strip_prefix('{');
        let name_start = braced.unwrap_or(after);
        let length = name_start
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(name_start.len());
        let (name, behind) = name_start.split_at(length);
        let behind = match braced {
            Some(_) => behind.strip_prefix('}'),
            None => Some(behind),
        };
        match behind {
            Some(behind) if !name.is_empty() => {
                if name.bytes().all(|c| c == b'0') && name.len() == 1 {
                    out.push_str(matched);
                    check_length(&out, template)?;
                }
                rest = behind;
            }
            _ => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// That a result is not much longer than what it was made of.
fn check_length(out: &str, from: &str) -> Result<(), WordError> {
    match out.len() > from.len() + LONGEST {
        true => Err(WordError::TooLong),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_and_ends_are_cut_off() {
        for (value, pattern, short, long) in [
            ("a.b.c", "*.", "b.c", "c"),
            ("a.b.c", "x", "a.b.c", "a.b.c"),
            ("a.b.c", "?", ".b.c", ".b.c"),
            ("aXbXc", "a*X", "bXc", "c"),
            ("*x", "\\*", "x", "x"),
            ("}/x", "\\}\\/", "x", "x"),
            ("a\nb", "*b", "a\nb", "a\nb"),
            ("abc", "", "abc", "abc"),
            ("abc", "*", "abc", ""),
            ("漢字", "漢", "字", "字"),
        ] {
            assert_eq!(
                trim_prefix(pattern, value, false).unwrap(),
                short,
                "{value}#{pattern}"
            );
            assert_eq!(
                trim_prefix(pattern, value, true).unwrap(),
                long,
                "{value}##{pattern}"
            );
        }
        for (value, pattern, short, long) in [
            ("a.b.c", ".*", "a.b", "a"),
            ("a.tar.gz", ".gz", "a.tar", "a.tar"),
            ("a*b*", "\\**", "a*b", "a"),
            ("aXbXc", "X*c", "aXb", "a"),
        ] {
            assert_eq!(
                trim_suffix(pattern, value, false).unwrap(),
                short,
                "{value}%{pattern}"
            );
            assert_eq!(
                trim_suffix(pattern, value, true).unwrap(),
                long,
                "{value}%%{pattern}"
            );
        }
        for pattern in ["\\", "\\x", "a\\\\\\"] {
            assert!(trim_prefix(pattern, "", false).is_err(), "{pattern}");
        }
    }

    #[test]
    fn matches_are_replaced() {
        for (value, pattern, by, first, all) in [
            ("a-b-c", "-", "+", "a+b-c", "a+b+c"),
            ("a-b-c", "-*", "", "a", "a"),
            ("abc", "", "x", "xabc", "xaxbxcx"),
            ("abc", "*", "x", "x", "x"),
            ("abc", "z", "x", "abc", "abc"),
            ("aab", "a", "$0$0$$$x", "$0$0$$$xab", "aa$aa$b"),
            ("", "", "x", "x", "x"),
            ("a", "a", "${0}${", "${0}${", "a${"),
        ] {
            assert_eq!(
                replace_first(pattern, value, by).unwrap(),
                first,
                "{value}/{pattern}"
            );
            assert_eq!(
                replace_all(pattern, value, by).unwrap(),
                all,
                "{value}//{pattern}"
            );
        }
    }
}
