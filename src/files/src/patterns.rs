//! The patterns of `--exclude`, `--parents` and ignore files, as moby's `patternmatcher` has them.
//!
//! A pattern matches an entry and everything below it; `**` matches any number of directories; the last pattern that matches decides, and
//! one that begins with `!` decides for the opposite.

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use regex::bytes::Regex;
use stromatekt_graph::path;

use crate::error::{Error, Result};
use crate::glob::{self, Glob};

/// Patterns in order.
#[derive(Clone, Debug, Default)]
pub struct PatternList {
    patterns: Vec<Pattern>,
}

/// Which patterns matched an entry: what is below it need not be matched with them again.
pub(crate) type Matched = Vec<bool>;

#[derive(Clone, Debug)]
struct Pattern {
    /// Cleaned, without `!`.
    text: String,
    negated: bool,
    shape: Shape,
}

/// How a pattern is matched. The short shapes are not only faster: moby's rules for `**` at an end are not those of the general one.
#[derive(Clone, Debug)]
enum Shape {
    /// No wildcards.
    Exact,
    /// `x**`: a plain prefix, wherever it ends.
    Prefix(String),
    /// `**x` without other wildcards: a plain suffix, wherever it begins; `**/x` is `x` alone too.
    Suffix(String),
    General(Regex),
}

impl PatternList {
    /// Reads patterns; blank ones are none.
    pub fn new<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self> {
        let patterns = patterns
            .into_iter()
            .filter_map(|pattern| Pattern::parse(pattern.as_ref()).transpose())
            .collect::<Result<_>>()?;
        Ok(Self { patterns })
    }

    /// Whether there is no pattern.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether an entry matches: itself or a directory above it.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        self.walk_to(path).0
    }

    /// Whether a path as it is written in a Dockerfile matches: as BuildKit's checks ask it, a leading slash is a directory without a name.
    pub(crate) fn matches_written(&self, path: &str) -> bool {
        let mut above: Vec<&str> = path.match_indices('/').map(|(at, _)| &path[..at]).collect();
        above.push(path);
        let mut inclusions = self.patterns.iter().filter(|pattern| !pattern.negated);
        inclusions.any(|pattern| above.iter().any(|path| pattern.matches(path.as_bytes())))
    }

    /// Whether a pattern matches everything.
    pub(crate) fn matches_all(&self) -> bool {
        let mut inclusions = self.patterns.iter().filter(|pattern| !pattern.negated);
        inclusions.any(|pattern| matches!(pattern.text.as_str(), "*" | "**" | "**/*"))
    }

    /// Whether a pattern begins with `!`.
    pub(crate) fn has_exceptions(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.negated)
    }

    /// Which patterns match an entry: itself or a directory above it.
    pub(crate) fn matched(&self, path: &Path) -> Matched {
        self.walk_to(path).1
    }

    fn walk_to(&self, path: &Path) -> (bool, Matched) {
        let mut matched = (false, None);
        for above in above_and_self(path) {
            let (is_match, state) = self.matches_below(above, matched.1.as_ref());
            matched = (is_match, Some(state));
        }
        (
            matched.0,
            matched
                .1
                .unwrap_or_else(|| vec![false; self.patterns.len()]),
        )
    }

    /// Whether an entry matches, given which patterns matched the directory that holds it.
    pub(crate) fn matches_below(&self, path: &Path, parent: Option<&Matched>) -> (bool, Matched) {
        let path = path.as_os_str().as_bytes();
        let mut matched = false;
        let mut state = vec![false; self.patterns.len()];
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = parent.is_some_and(|parent| parent[index]);
            // A pattern that would change nothing is not tried.
            if !inherited && pattern.negated != matched {
                continue;
            }
            if inherited || pattern.matches(path) {
                state[index] = true;
                matched = !pattern.negated;
            }
        }
        (matched, state)
    }

    /// The pattern that makes an entry match.
    pub(crate) fn deciding(&self, path: &Path) -> Option<&str> {
        let mut last = None;
        let mut matched = (false, None);
        for above in above_and_self(path) {
            let (is_match, state) = self.matches_below(above, matched.1.as_ref());
            last = self
                .patterns
                .iter()
                .zip(&state)
                .rfind(|(pattern, is_match)| **is_match && !pattern.negated)
                .map(|(pattern, _)| pattern.text.as_str());
            matched = (is_match, Some(state));
        }
        last.filter(|_| matched.0)
    }

    /// Whether a pattern with `!` can match something below a directory.
    pub(crate) fn exception_below(&self, dir: &Path) -> bool {
        let mut exceptions = self.patterns.iter().filter(|pattern| pattern.negated);
        exceptions.any(|pattern| pattern.may_match_below(dir))
    }

    /// Whether a pattern can match something below a directory.
    pub(crate) fn match_below(&self, dir: &Path) -> bool {
        let mut inclusions = self.patterns.iter().filter(|pattern| !pattern.negated);
        inclusions.any(|pattern| pattern.may_match_below(dir))
    }
}

/// A relative path with all directories above it, outermost first.
fn above_and_self(path: &Path) -> Vec<&Path> {
    let mut all: Vec<_> = path
        .ancestors()
        .filter(|above| !above.as_os_str().is_empty())
        .collect();
    all.reverse();
    all
}

impl Pattern {
    fn parse(text: &str) -> Result<Option<Self>> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let clean = path::clean(text);
        let (negated, pattern) = match clean.strip_prefix('!') {
            Some("") => {
                return Err(Error::Pattern {
                    pattern: text.to_owned(),
                    reason: "nothing follows the `!`",
                });
            }
            Some(rest) => (true, rest),
            None => (false, clean.as_str()),
        };
        // moby takes what Go's `filepath.Match` takes.
        Glob::new(pattern)?;
        Ok(Some(Self {
            text: pattern.to_owned(),
            negated,
            shape: Shape::of(pattern)?,
        }))
    }

    fn matches(&self, path: &[u8]) -> bool {
        match &self.shape {
            Shape::Exact => path == self.text.as_bytes(),
            Shape::Prefix(prefix) => path.starts_with(prefix.as_bytes()),
            Shape::Suffix(suffix) => {
                path.ends_with(suffix.as_bytes())
                    || suffix
                        .strip_prefix('/')
                        .is_some_and(|whole| path == whole.as_bytes())
            }
            Shape::General(regex) => regex.is_match(path),
        }
    }

    /// Whether something below the directory can match: told by the components before the first wildcard.
    fn may_match_below(&self, dir: &Path) -> bool {
        let mut literal = Path::new(&self.text).components();
        for component in dir.components() {
            match literal.next() {
                Some(part) if is_wild(part) => return true,
                Some(part) if part == component => {}
                Some(_) => return false,
                // The directory is below what the pattern names.
                None => return true,
            }
        }
        true
    }
}

fn is_wild(component: Component<'_>) -> bool {
    let bytes = component.as_os_str().as_bytes();
    bytes.iter().any(|byte| b"*?[\\^".contains(byte))
}

impl Shape {
    fn of(pattern: &str) -> Result<Self> {
        let mut shape = Self::Exact;
        let mut is_general = false;
        let mut expression = String::from("^");
        let mut chars = pattern.chars().peekable();
        let mut is_start = true;
        while let Some(c) = chars.next() {
            match c {
                '*' if chars.next_if_eq(&'*').is_some() => {
                    // `**/` is `**`: it may match nothing.
                    chars.next_if_eq(&'/');
                    if chars.peek().is_some() {
                        expression.push_str("(?:.*/)?");
                        is_general |= !is_start;
                    } else if is_start || is_general || matches!(shape, Self::Suffix(_)) {
                        expression.push_str(".*");
                        is_general |= !is_start;
                    } else {
                        let prefix = pattern.trim_end_matches('/');
                        shape = Self::Prefix(prefix[..prefix.len() - 2].to_owned());
                    }
                    if is_start {
                        shape = Self::Suffix(pattern[2..].to_owned());
                    }
                }
                '*' => {
                    expression.push_str("[^/]*");
                    is_general = true;
                }
                '?' => {
                    expression.push_str("[^/]");
                    is_general = true;
                }
                '[' => {
                    expression.push_str(&glob::class_expression(&mut chars, pattern)?);
                    is_general = true;
                }
                '\\' => {
                    if let Some(escaped) = chars.next() {
                        push_escaped(&mut expression, escaped, pattern)?;
                    }
                    is_general = true;
                }
                // moby leaves it to the expression.
                '^' => expression.push('^'),
                literal => push_literal(&mut expression, literal),
            }
            is_start = false;
        }
        if !is_general {
            return Ok(shape);
        }
        expression.push('$');
        let regex = Regex::new(&expression).map_err(|_| Error::Pattern {
            pattern: pattern.to_owned(),
            reason: "it is too large",
        })?;
        Ok(Self::General(regex))
    }
}

fn push_literal(expression: &mut String, literal: char) {
    expression.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4])));
}

/// moby hands escapes on to Go's expressions, where letters mean something else than themselves, or nothing.
fn push_escaped(expression: &mut String, escaped: char, pattern: &str) -> Result<()> {
    match escaped {
        // Of ASCII alone in Go.
        'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'b' | 'B' => {
            expression.push_str(&format!("(?-u:\\{escaped})"));
        }
        'a' | 'f' | 'n' | 'r' | 't' | 'v' | 'A' | 'z' => {
            expression.push('\\');
            expression.push(escaped);
        }
        _ if escaped.is_ascii_alphanumeric() || !escaped.is_ascii() => {
            return Err(Error::Pattern {
                pattern: pattern.to_owned(),
                reason: "it has a backslash before what is no special character",
            });
        }
        punctuation => push_literal(expression, punctuation),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_mobys_do() {
        for (pattern, path, matches) in [
            (r"\a", "a", false),
            (r"x\w*", "xyz", true),
            (r"x\D*", "x1", false),
            (r"\*", "*", true),
            ("^a*", "ab", true),
            ("^a", "a", false),
            ("**", "file", true),
            ("**", "dir/file", true),
            ("**/", "file", true),
            ("**/**", "dir/file", true),
            ("dir/**", "dir/file", true),
            ("dir/**", "dir", false),
            ("dir/**", "dir/dir2/file", true),
            ("**/dir", "dir", true),
            ("**/dir", "a/b/dir", true),
            ("**/dir", "adir", false),
            ("**dir", "adir", true),
            ("**/dir2/*", "dir/dir2/file", true),
            ("**/dir2/*", "dir/dir2/dir2/file", true),
            ("**/dir2/**", "dir/dir2/x/y", true),
            ("**file", "dir/file", true),
            ("**/file", "dir/dir/file", true),
            ("**/file*", "dir/dir/file.txt", true),
            ("**/file*txt", "dir/dir/file.txt", true),
            ("**/file*.txt*", "dir/dir/file.txt", true),
            ("**/**/*.txt2", "dir/dir/file.txt", false),
            ("**/*.txt", "file.txt", true),
            ("a**/*.txt", "a/file.txt", true),
            ("a/*.txt", "a/file.txt", true),
            ("a/*.txt", "a/b/file.txt", false),
            ("a**", "abc/d", true),
            (".*", ".foo", true),
            (".*", "foo", false),
            ("abc.def", "abcdef", false),
            ("abc?def", "abcZdef", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a[b-d]e", "ace", true),
            ("a[^b-d]e", "ace", false),
            ("dir", "dir/below/it", true),
            ("d*", "dir/below", true),
            ("x(y)+{z}", "x(y)+{z}", true),
            ("./a//b/", "a/b", true),
            ("*", "a", true),
            ("*", "a/b", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
        ] {
            let list = PatternList::new([pattern]).unwrap();
            assert_eq!(
                list.matches(Path::new(path)),
                matches,
                "{pattern} on {path}"
            );
        }
    }

    #[test]
    fn the_last_pattern_decides() {
        for (patterns, path, matches) in [
            (&["*", "!a"][..], "a", false),
            (&["*", "!a"], "a/b", false),
            (&["*", "!a", "a/b"], "a/b", true),
            (&["!a", "*"], "a", true),
            (&["a", "!a/b"], "a/b/c", false),
            (&["a", "!a/b"], "a/c", true),
            (&["**", "!**/*.md"], "x/y.md", false),
            (&["a", "!a", "a"], "a/b", true),
        ] {
            let list = PatternList::new(patterns).unwrap();
            assert_eq!(
                list.matches(Path::new(path)),
                matches,
                "{patterns:?} on {path}"
            );
        }
    }

    #[test]
    fn directories_that_hold_no_match_are_known() {
        for (pattern, dir, may_match) in [
            ("a/b/c", "a", true),
            ("a/b/c", "a/b", true),
            ("a/b/c", "a/x", false),
            ("a/b/c", "a/b/c/d", true),
            ("a/*/c", "a/x", true),
            ("a/*/c", "b", false),
            ("**/c", "b", true),
        ] {
            let list = PatternList::new([pattern]).unwrap();
            assert_eq!(
                list.match_below(Path::new(dir)),
                may_match,
                "{pattern} in {dir}"
            );
        }
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for pattern in ["!", "[", "a[", "a\\", r"\y", r"\é"] {
            let error = PatternList::new([pattern]).unwrap_err();
            assert!(
                matches!(error, Error::Pattern { .. }),
                "{pattern}: {error:?}"
            );
        }
        assert!(PatternList::new(["", "  "]).unwrap().is_empty());
    }
}
