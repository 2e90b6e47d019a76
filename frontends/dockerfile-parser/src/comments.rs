//! The comments before an instruction: they describe what it names, and set checks for it alone.

use crate::directives::directive;

/// The comments before an instruction, without `#` and spaces around them.
///
/// Those count that follow the instruction before, blank lines or not; a comment without text starts anew. Directives are no comments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comments {
    lines: Vec<String>,
}

impl Comments {
    /// Appends a comment line, from its first character on. BuildKit takes that one away, even where it is a space before the `#`.
    pub(crate) fn push(&mut self, line: &str) {
        let mut rest = line.chars();
        rest.next();
        match rest.as_str().trim() {
            "" => self.lines.clear(),
            text => self.lines.push(text.to_owned()),
        }
    }

    /// The last one, where there is one.
    #[must_use]
    pub fn last(&self) -> Option<&str> {
        self.lines.last().map(String::as_str)
    }

    /// What they say about a name: the rest of the first comment that begins with it.
    #[must_use]
    pub fn about(&self, name: &str) -> Option<&str> {
        if name.is_empty() {
            return None;
        }
        self.lines
            .iter()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
    }

    /// The settings of the first comment that is a `check=` directive, up to its first space.
    #[must_use]
    pub fn check(&self) -> Option<String> {
        self.lines.iter().find_map(|line| {
            let (name, value) = directive(&format!("#{line}"), 0)?;
            (name == "check").then(|| first_part(&value.value).to_owned())
        })
    }
}

/// What BuildKit reads of the value of a directive.
pub(crate) fn first_part(value: &str) -> &str {
    value.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comments(lines: &[&str]) -> Comments {
        let mut comments = Comments::default();
        for line in lines {
            comments.push(line);
        }
        comments
    }

    #[test]
    fn comments_describe_names() {
        let found = comments(&["# VERSION of it", "#VERSION again", "# FLAGS"]);
        assert_eq!(found.about("VERSION"), Some("of it"));
        assert_eq!(found.about("FLAGS"), None);
        assert_eq!(found.about(""), None);
        assert_eq!(found.last(), Some("FLAGS"));
        assert_eq!(comments(&["# a b", "#"]).last(), None);
        assert_eq!(comments(&[" # a b"]).last(), Some("# a b"));
    }

    #[test]
    fn comments_set_checks() {
        for (line, expected) in [
            ("# check=skip=A,B", Some("skip=A,B")),
            ("#CHECK = skip=A, B", Some("skip=A,")),
            ("# syntax=x", None),
            ("# no check=skip=all", None),
        ] {
            assert_eq!(
                comments(&["# x", line]).check().as_deref(),
                expected,
                "{line}"
            );
        }
    }
}
