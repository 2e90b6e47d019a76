//! A JSON or YAML text as a tree of values, each with its place.

use std::sync::Arc;

use crate::fields::Item;
use crate::position::Span;
use crate::problem::{Place, Problem};
use crate::{json, yaml};

/// A text and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Name of the file as the user wrote it.
    pub file: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
    /// The value that it is.
    pub root: Value,
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// What it is.
    pub kind: Kind,
    /// Where it stands. What an alias stands for has the place of its anchor.
    pub span: Span,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: `null`, and in YAML also `~` and no text at all.
    Null,
    /// True or false.
    Bool(bool),
    /// A number as written: `0755` and `1.10` are not yet what they would be as numbers.
    Number(String),
    /// A text.
    String(String),
    /// Several values in order.
    List(Vec<Value>),
    /// Values with names, in the order of the text. No name is there twice.
    Map(Vec<Entry>),
}

/// A value with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub key: String,
    /// Where the name stands.
    pub key_span: Span,
    /// The value.
    pub value: Value,
}

impl Document {
    /// Reads JSON (RFC 8259): no comments, no commas before a closing bracket, no name twice in an object.
    ///
    /// # Errors
    /// When the text is no such JSON.
    pub fn parse_json(file: &str, text: &str) -> Result<Self, Problem> {
        let file: Arc<str> = file.into();
        let root = json::parse(&file, text)?;
        let text = text.into();
        Ok(Self { file, text, root })
    }

    /// Reads one document of YAML 1.2 with its core schema. Aliases and merge keys (`<<`) are resolved.
    ///
    /// # Errors
    /// When the text is no such YAML, or more than one document, or a name is twice in a mapping.
    pub fn parse_yaml(file: &str, text: &str) -> Result<Self, Problem> {
        let file: Arc<str> = file.into();
        let root = yaml::parse(&file, text)?;
        let text = text.into();
        Ok(Self { file, text, root })
    }

    /// The value of the whole document, to be read.
    #[must_use]
    pub fn top(&self) -> Item<'_> {
        Item::new(&self.file, &self.root)
    }

    /// A place of this document.
    #[must_use]
    pub fn place(&self, span: Span, path: &str) -> Place {
        Place {
            file: Arc::clone(&self.file),
            span,
            path: path.to_owned(),
        }
    }
}

impl Kind {
    /// What a value of this kind is called in errors.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}
