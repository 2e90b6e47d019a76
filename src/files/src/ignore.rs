//! What of a build context must not be seen: `.dockerignore` and its kin.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use stromatekt_graph::path;

use crate::error::Result;
use crate::patterns::{Matched, PatternList};

/// Decides what of a directory is not part of the tree that it stands for.
///
/// Paths are relative to the directory, without `.` and `..`.
pub trait IgnoreFilter: Send + Sync {
    /// Whether an entry is left out. A directory that is left out still is there if something below it is not.
    fn ignored(&self, path: &Path, is_dir: bool) -> bool;

    /// Whether nothing below a directory that is left out can be part of the tree, so that it need not be read.
    fn prune(&self, dir: &Path) -> bool;

    /// The pattern, as the user wrote it, that leaves the entry out. For messages only.
    fn reason(&self, path: &Path) -> Option<String> {
        let _ = path;
        None
    }
}

/// The rules of an ignore file.
#[derive(Clone, Debug)]
pub struct IgnoreRules {
    patterns: PatternList,
    /// The directory that was asked about last, and which patterns match it: who walks a tree asks for all entries of one after the other.
    last: Arc<Mutex<Option<(PathBuf, Matched)>>>,
}

impl IgnoreRules {
    /// Reads the text of an ignore file.
    pub fn parse(text: &str) -> Result<Self> {
        Self::new(lines(text))
    }

    /// The rules that these patterns are, each as a line of an ignore file.
    pub fn new<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self> {
        let patterns = PatternList::new(patterns)?;
        Ok(Self {
            patterns,
            last: Arc::default(),
        })
    }

    /// Whether a source of COPY, cleaned, surely finds nothing, as BuildKit's checks ask it: where there are exceptions nothing is sure.
    #[must_use]
    pub fn leaves_out(&self, source: &str) -> bool {
        let is_root = matches!(source, "." | "/");
        !self.patterns.has_exceptions()
            && (!is_root || self.patterns.matches_all())
            && self.patterns.matches_written(source)
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }
}

impl IgnoreFilter for IgnoreRules {
    fn ignored(&self, path: &Path, _is_dir: bool) -> bool {
        if self.patterns.is_empty() {
            return false;
        }
        let dir = match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => return self.patterns.matches(path),
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, matched) =
            last.get_or_insert_with(|| (dir.to_owned(), self.patterns.matched(dir)));
        if known != dir {
            *known = dir.to_owned();
            *matched = self.patterns.matched(dir);
        }
        self.patterns.matches_below(path, Some(matched)).0
    }

    fn prune(&self, dir: &Path) -> bool {
        !self.patterns.exception_below(dir)
    }

    fn reason(&self, path: &Path) -> Option<String> {
        self.patterns.deciding(path).map(str::to_owned)
    }
}

/// The patterns of an ignore file, as moby's `ignorefile` reads them: comments have their `#` in the first column; a leading slash
/// means nothing, since all patterns are relative to the context.
fn lines(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut patterns = Vec::new();
    for line in text.lines() {
        if line.starts_with('#') {
            continue;
        }
        let line = line.trim();
        let (negation, pattern) = match line.strip_prefix('!') {
            Some(rest) => ("!", rest.trim()),
            None => ("", line),
        };
        if negation.is_empty() && pattern.is_empty() {
            continue;
        }
        if pattern.is_empty() {
            patterns.push(negation.to_owned());
            continue;
        }
        let clean = path::clean(pattern);
        let relative = match clean.strip_prefix('/') {
            Some(rest) if !rest.is_empty() => rest,
            _ => &clean,
        };
        patterns.push(format!("{negation}{relative}"));
    }
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_are_no_patterns() {
        let text = "\u{feff}# a comment\n\n  /a/./b/  \r\n ! /a/b/keep \n #not-a-comment\n/\n";
        assert_eq!(lines(text), ["a/b", "!a/b/keep", "#not-a-comment", "/"]);
    }

    #[test]
    fn sources_that_find_nothing_are_known() {
        for (text, source, expected) in [
            ("a\n", "a", true),
            ("a\n", "a/b/c", true),
            ("a\n", "b", false),
            ("a\n", "/a", false),
            ("a\n!a/b\n", "a", false),
            ("*.log\n", "x.log", true),
            ("*.log\n", "*.log", true),
            ("a\n", ".", false),
            (".\n", ".", false),
            ("*\n", ".", true),
            ("**\n", "/", true),
            ("*\n", "x", true),
            ("**/b\n", "a/b", true),
        ] {
            let rules = IgnoreRules::parse(text).unwrap();
            assert_eq!(rules.leaves_out(source), expected, "{text:?} {source}");
        }
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let rules = IgnoreRules::parse("**/*.log\n!keep.log\nnode\n!node/keep\n").unwrap();
        for (path, ignored) in [
            ("a.log", true),
            ("deep/a.log", true),
            ("keep.log", false),
            ("deep/keep.log", true),
            ("node", true),
            ("node/x", true),
            ("node/keep", false),
            ("node/keep/below", false),
            ("nodes", false),
        ] {
            assert_eq!(rules.ignored(Path::new(path), false), ignored, "{path}");
        }
        assert!(
            !rules.prune(Path::new("node")),
            "something below `node` is kept"
        );
        assert_eq!(rules.reason(Path::new("node/x")).as_deref(), Some("node"));
        assert_eq!(rules.reason(Path::new("node/keep")), None);
    }

    #[test]
    fn what_is_remembered_of_a_directory_does_not_count_for_others() {
        let rules = IgnoreRules::parse("a/x\n!a/x/keep\n*/y").unwrap();
        for _ in 0..2 {
            for (path, ignored) in [
                ("a/x/one", true),
                ("a/one", false),
                ("a/x/keep", false),
                ("a/x/two", true),
                ("x/one", false),
                ("b/y/one", true),
                ("one", false),
            ] {
                assert_eq!(rules.ignored(Path::new(path), false), ignored, "{path}");
            }
        }
    }

    #[test]
    fn a_directory_below_which_nothing_is_kept_is_not_read() {
        let rules = IgnoreRules::parse("a\nb\n!b/c/d\n").unwrap();
        for (dir, prune) in [("a", true), ("b", false), ("b/c", false), ("b/x", true)] {
            assert_eq!(rules.prune(Path::new(dir)), prune, "{dir}");
        }
        let rules = IgnoreRules::parse("a\n!**/keep\n").unwrap();
        assert!(!rules.prune(Path::new("a")), "`**` may match anywhere");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_said_of_a_directory_holds_for_what_is_in_it(
            text in "(!?([abc]|\\*|\\*\\*|\\?|\\[ab\\]|\\[\\^a\\]|\\.)(/([abc]|\\*|\\*\\*|a\\*)){0,2}\n){1,5}",
            paths in proptest::collection::vec("[abc]{1,2}(/[abc]{1,2}){0,3}", 1..6),
        ) {
            let Ok(walked) = IgnoreRules::parse(&text) else { return Ok(()) };
            let jumped = IgnoreRules::parse(&text).unwrap();
            for path in &paths {
                let mut is_pruned = false;
                let mut above: Vec<&Path> = Path::new(path).ancestors().collect();
                above.pop();
                for path in above.into_iter().rev() {
                    let ignored = walked.ignored(path, true);
                    jumped.ignored(Path::new("some/where/else"), true);
                    proptest::prop_assert_eq!(jumped.ignored(path, true), ignored);
                    proptest::prop_assert_eq!(walked.reason(path).is_some(), ignored);
                    proptest::prop_assert!(ignored || !is_pruned, "{} is in a directory that need not be read", path.display());
                    is_pruned |= ignored && walked.prune(path);
                }
            }
        }
    }
}
