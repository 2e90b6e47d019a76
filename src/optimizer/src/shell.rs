//! What is understood of the commands of a POSIX shell: enough to say where `a && b && c` can be cut, and no more.
//!
//! - [`reader`]: a text as a chain of commands
//! - [`commands`]: what is known of a command, by its name and its arguments; `managers` knows those that install packages, `tables` lists
//!   the names of the others
//!
//! A parser of all that one shell understands would be of little use here. `/bin/sh` is dash, the shell of busybox or bash, which read
//! some texts in different ways: `make &>log` is a job in the background for one, and a redirect for another. So whatever they do not
//! agree on is refused, with the rest that lets state pass from one command to the next; what remains is a small part of the grammar
//! (POSIX.1-2024, Shell Command Language, 2.10).

pub mod commands;
mod managers;
pub mod reader;
mod tables;

/// Why a text is not cut: one phrase for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

/// Stands in [`Word::text`] for what only the shell knows: the value of a variable, the output of a command. Behind it stands what the value
/// may be, as far as it can be seen: what the environment has, or the `word` of `${NAME:-word}`.
pub const UNKNOWN: char = '\0';

/// A word of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Without quotes.
    pub text: String,
    /// Whether the shell makes nothing else of it: no variables, patterns, braces or home directories.
    pub is_literal: bool,
}

/// A program with its arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Its name, and the arguments. Never empty.
    pub words: Vec<Word>,
    /// The files that its redirects name.
    pub files: Vec<Word>,
    /// The variables that are set for it, as `NAME=value`.
    pub assignments: Vec<Word>,
}

/// One link of a chain: a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it stands in the text, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// The commands of the pipeline.
    pub commands: Vec<Command>,
    /// The commands whose output is put into words.
    pub substituted: Vec<Command>,
}

impl Link {
    /// All commands of it.
    pub fn all(&self) -> impl Iterator<Item = &Command> {
        self.commands.iter().chain(&self.substituted)
    }
}

impl Command {
    /// All that it says: words, files and variables.
    pub fn all(&self) -> impl Iterator<Item = &Word> {
        let others = self.files.iter().chain(&self.assignments);
        self.words.iter().chain(others)
    }

    /// The words after the name.
    #[must_use]
    pub fn arguments(&self) -> &[Word] {
        self.words.get(1..).unwrap_or_default()
    }
}
