//! What is wrong with a pipeline: where, and what would be right.

use std::fmt;
use std::sync::Arc;

use stromatekt_dockerfile_parser::nearest;
use stromatekt_graph::Origin;

use crate::position::{Mark, Span};

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of the file as the user wrote it.
    pub file: Arc<str>,
    /// Which part of its text.
    pub span: Span,
    /// Which value that is: `tasks.app.run[2]`; empty for the top of the file, and where the text is no document.
    pub path: String,
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong: a sentence without a full stop.
    pub message: String,
    /// Where.
    pub place: Box<Place>,
    /// What would be right.
    pub help: Option<String>,
    /// Other places that have to do with it, each with what is there.
    pub also: Vec<(String, Place)>,
}

impl Place {
    /// The start of a file.
    #[must_use]
    pub fn start_of(file: &Arc<str>) -> Self {
        Self {
            file: Arc::clone(file),
            span: Span {
                start: Mark::START,
                end: Mark::START,
            },
            path: String::new(),
        }
    }

    /// Something is wrong here.
    #[must_use]
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem {
            message: message.into(),
            place: Box::new(self.clone()),
            help: None,
            also: Vec::new(),
        }
    }

    /// The lines, as nodes of a graph have them.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            file: Arc::clone(&self.file),
            first_line: self.span.start.line,
            last_line: self.span.end.line,
        }
    }
}

impl Problem {
    /// With what would be right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With another place, and what is there.
    #[must_use]
    pub fn also(mut self, what: impl Into<String>, place: Place) -> Self {
        self.also.push((what.into(), place));
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.span.start;
        write!(f, "{}:{}:{}", self.file, start.line, start.column)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for Problem {}

/// The help for a word that is not known: the nearest one that is, else all of them if there are not too many.
#[must_use]
pub fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    const SHOWN: usize = 24;
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(near) = nearest(word, known.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    match known.as_slice() {
        [] => None,
        [one] => Some(format!("there is only `{one}`")),
        [several @ .., last] if several.len() < SHOWN => {
            Some(format!("there are `{}` and `{last}`", several.join("`, `")))
        }
        many => Some(format!(
            "there are `{}` and others",
            many.get(..SHOWN).unwrap_or_default().join("`, `")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_suggested_and_else_what_there_is() {
        assert_eq!(
            suggest("runn", ["run", "copy"]).as_deref(),
            Some("did you mean `run`?")
        );
        assert_eq!(
            suggest("nothing", ["run", "copy", "env"]).as_deref(),
            Some("there are `run`, `copy` and `env`")
        );
        assert_eq!(
            suggest("nothing", ["run"]).as_deref(),
            Some("there is only `run`")
        );
        assert_eq!(suggest("nothing", []), None);
        let many: Vec<String> = (0..100).map(|number| format!("name{number}")).collect();
        let text = suggest("other", many.iter().map(String::as_str)).unwrap_or_default();
        assert!(text.ends_with("`name23` and others"), "{text}");
    }
}
