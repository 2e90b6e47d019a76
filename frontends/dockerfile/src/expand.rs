//! Words of a Dockerfile with the values of a stage.

use stromatekt_dockerfile_parser::{Dockerfile, Document, Escape, Expander, Variables, Word};

use crate::environment::Environment;
use crate::error::Problem;

impl Variables for Environment {
    fn value(&self, name: &str) -> Option<&str> {
        self.get(name)
    }
}

/// How words are expanded: by the escape character of the Dockerfile, also in triggers that its bases brought.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    expander: Expander,
}

impl Words {
    /// For a Dockerfile.
    pub fn of(dockerfile: &Dockerfile) -> Self {
        Self {
            expander: Expander::new(dockerfile.directives.escape),
        }
    }

    /// A word with its variables replaced and its quotes gone.
    pub fn word(self, word: &Word, variables: &impl Variables) -> Result<String, Problem> {
        self.expander
            .word(&word.value, variables)
            .map_err(|error| failed(word, error))
    }

    /// The same for a part of a word.
    pub fn part(
        self,
        part: &str,
        whole: &Word,
        variables: &impl Variables,
    ) -> Result<String, Problem> {
        self.expander
            .word(part, variables)
            .map_err(|error| failed(whole, error))
    }

    /// The words that a word becomes where values with spaces are several.
    pub fn words(self, word: &Word, variables: &impl Variables) -> Result<Vec<String>, Problem> {
        self.expander
            .words(&word.value, variables)
            .map_err(|error| failed(word, error))
    }

    /// A text for people; as it is where it cannot be expanded.
    pub fn label(self, text: &str, variables: &impl Variables) -> String {
        self.expander
            .word(text, variables)
            .unwrap_or_else(|_| text.to_owned())
    }

    /// The same for a command: quotes stay, and so do variables that only the shell knows.
    pub fn command_label(self, text: &str, variables: &impl Variables) -> String {
        self.expander
            .keep_quotes()
            .keep_unset()
            .word(text, variables)
            .unwrap_or_else(|_| text.to_owned())
    }
}

/// The content of a here-document. Quotes mean nothing in it, and it is the backslash that escapes, whatever the directive says.
pub fn document(document: &Document, variables: &impl Variables) -> Result<String, Problem> {
    if !document.expand {
        return Ok(document.content.clone());
    }
    Expander::new(Escape::Backslash)
        .ignore_quotes()
        .word(&document.content, variables)
        .map_err(|error| Problem::Expansion {
            word: format!("<<{}", document.name),
            error,
            place: document.span,
        })
}

fn failed(word: &Word, error: stromatekt_dockerfile_parser::WordError) -> Problem {
    Problem::Expansion {
        word: word.value.clone(),
        error,
        place: word.span,
    }
}
