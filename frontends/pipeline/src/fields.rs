//! Reading values: each reader says what it wants, and what is not so is a problem at its place.

use std::sync::Arc;

use crate::document::{Entry, Kind, Value};
use crate::position::Span;
use crate::problem::{Place, Problem, suggest};

/// A value that is being read, with what leads to it.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    file: &'a Arc<str>,
    value: &'a Value,
    path: String,
}

/// The fields of a map, taken one by one. Those that nobody took are not known: [`Fields::finish`].
#[derive(Debug)]
pub struct Fields<'a> {
    item: Item<'a>,
    /// What has the fields, for errors: `a task`.
    what: String,
    entries: Vec<(&'a Entry, bool)>,
    /// The names that were asked for.
    known: Vec<&'static str>,
}

/// An entry of a map whose names are the user's own.
#[derive(Clone, Debug)]
pub struct NamedItem<'a> {
    /// The name.
    pub name: &'a str,
    /// Where the name stands.
    pub name_place: Place,
    /// The value.
    pub item: Item<'a>,
}

impl<'a> Item<'a> {
    /// The value at the top of a file.
    #[must_use]
    pub fn new(file: &'a Arc<str>, value: &'a Value) -> Self {
        Self::at(file, value, String::new())
    }

    /// A value that stands at a path of a file.
    #[must_use]
    pub fn at(file: &'a Arc<str>, value: &'a Value, path: String) -> Self {
        Self { file, value, path }
    }

    /// The value itself.
    #[must_use]
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// What the value is.
    #[must_use]
    pub fn kind(&self) -> &'a Kind {
        &self.value.kind
    }

    /// Where it stands.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place_of(self.value.span)
    }

    fn place_of(&self, span: Span) -> Place {
        Place {
            file: Arc::clone(self.file),
            span,
            path: self.path.clone(),
        }
    }

    /// Something is wrong with it.
    #[must_use]
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        self.place().problem(message)
    }

    fn inside(&self, path: String, value: &'a Value) -> Self {
        Self::at(self.file, value, path)
    }

    fn under(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }

    /// It is not what it should be.
    fn wrong_type(&self, wanted: &str) -> Problem {
        let subject = match self.path.as_str() {
            "" => "this".to_owned(),
            path => format!("`{path}`"),
        };
        self.problem(format!(
            "{subject} must be {wanted}, but it is {}",
            self.value.kind.name()
        ))
    }

    /// A string.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn string(&self) -> Result<&'a str, Problem> {
        match &self.value.kind {
            Kind::String(text) => Ok(text),
            Kind::Number(text) => Err(self
                .wrong_type("a string")
                .help(format!("write \"{text}\""))),
            _ => Err(self.wrong_type("a string")),
        }
    }

    /// A text: a string, or a number or a boolean as written. For values of variables and labels, which are texts anyway.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn text(&self) -> Result<String, Problem> {
        match &self.value.kind {
            Kind::String(text) | Kind::Number(text) => Ok(text.clone()),
            Kind::Bool(value) => Ok(value.to_string()),
            _ => Err(self.wrong_type("a text")),
        }
    }

    /// A string that is not empty.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn non_empty(&self) -> Result<&'a str, Problem> {
        match self.string()? {
            "" => Err(self.empty()),
            text => Ok(text),
        }
    }

    /// A text, as [`Item::text`], that is not empty.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn non_empty_text(&self) -> Result<String, Problem> {
        match self.text()? {
            empty if empty.is_empty() => Err(self.empty()),
            text => Ok(text),
        }
    }

    fn empty(&self) -> Problem {
        self.problem(match self.path.as_str() {
            "" => "this is empty".to_owned(),
            path => format!("`{path}` is empty"),
        })
    }

    /// True or false.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn boolean(&self) -> Result<bool, Problem> {
        match &self.value.kind {
            Kind::Bool(value) => Ok(*value),
            _ => Err(self.wrong_type("true or false")),
        }
    }

    /// A number without sign and fraction: decimal, or with `0x` or `0o` before it.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn u64(&self) -> Result<u64, Problem> {
        let wanted = "a whole number that is not negative";
        let Kind::Number(text) = &self.value.kind else {
            return Err(self.wrong_type(wanted));
        };
        let parsed = match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
            (Some(digits), _) => u64::from_str_radix(digits, 16),
            (_, Some(digits)) => u64::from_str_radix(digits, 8),
            _ => text.parse(),
        };
        parsed.map_err(|_| self.problem(format!("`{text}` is not {wanted}, or is too big")))
    }

    /// A number without fraction.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn i64(&self) -> Result<i64, Problem> {
        let Kind::Number(text) = &self.value.kind else {
            return Err(self.wrong_type("a whole number"));
        };
        text.parse()
            .map_err(|_| self.problem(format!("`{text}` is not a whole number, or is too big")))
    }

    /// The elements of a list.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn list(&self) -> Result<Vec<Self>, Problem> {
        match &self.value.kind {
            Kind::List(values) => Ok(self.elements(values)),
            _ => Err(self.wrong_type("a list")),
        }
    }

    fn elements(&self, values: &'a [Value]) -> Vec<Self> {
        let element = |(index, value)| self.inside(format!("{}[{index}]", self.path), value);
        values.iter().enumerate().map(element).collect()
    }

    /// The elements of a list, or the value itself if it is no list.
    #[must_use]
    pub fn one_or_list(&self) -> Vec<Self> {
        match &self.value.kind {
            Kind::List(values) => self.elements(values),
            _ => vec![self.clone()],
        }
    }

    /// A list of strings.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn strings(&self) -> Result<Vec<&'a str>, Problem> {
        self.list()?.iter().map(Self::string).collect()
    }

    /// The entries of a map whose names are the user's own, in order.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn entries(&self) -> Result<Vec<NamedItem<'a>>, Problem> {
        let Kind::Map(entries) = &self.value.kind else {
            return Err(self.wrong_type("a map"));
        };
        let named = |entry: &'a Entry| {
            let item = self.inside(self.under(&entry.key), &entry.value);
            NamedItem {
                name: &entry.key,
                name_place: item.place_of(entry.key_span),
                item,
            }
        };
        Ok(entries.iter().map(named).collect())
    }

    /// The fields of a map. `what` says for errors what has these fields: `a task`.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn fields(&self, what: &str) -> Result<Fields<'a>, Problem> {
        let Kind::Map(entries) = &self.value.kind else {
            return Err(self.wrong_type(&format!("a map with the fields of {what}")));
        };
        Ok(Fields {
            item: self.clone(),
            what: what.to_owned(),
            entries: entries.iter().map(|entry| (entry, false)).collect(),
            known: Vec::new(),
        })
    }

    /// One of several words.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn word<T: Copy>(&self, what: &str, words: &[(&'static str, T)]) -> Result<T, Problem> {
        let text = self.string()?;
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(*value),
            None => {
                let mut problem = self.problem(format!("`{text}` is no {what}"));
                problem.help = suggest(text, words.iter().map(|(word, _)| *word));
                Err(problem)
            }
        }
    }
}

impl<'a> Fields<'a> {
    /// The map itself.
    #[must_use]
    pub fn item(&self) -> &Item<'a> {
        &self.item
    }

    /// The value of a field, if it is there.
    pub fn take(&mut self, name: &'static str) -> Option<Item<'a>> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        let (entry, is_taken) = self
            .entries
            .iter_mut()
            .find(|(entry, _)| entry.key == name)?;
        *is_taken = true;
        let entry: &'a Entry = entry;
        Some(self.item.inside(self.item.under(name), &entry.value))
    }

    /// The value of a field that has several names, if it is there by one of them.
    ///
    /// # Errors
    /// When it is there by two.
    pub fn take_any(&mut self, names: &[&'static str]) -> Result<Option<Item<'a>>, Problem> {
        let mut found: Option<(&'static str, Item<'a>)> = None;
        for name in names.iter().copied() {
            let Some(item) = self.take(name) else {
                continue;
            };
            if let Some((first, earlier)) = &found {
                return Err(item
                    .problem(format!("`{name}` and `{first}` are one field, given twice"))
                    .also(format!("`{first}`"), earlier.place()));
            }
            found = Some((name, item));
        }
        Ok(found.map(|(_, item)| item))
    }

    /// The value of a field that must be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn required(&mut self, name: &'static str) -> Result<Item<'a>, Problem> {
        match self.take(name) {
            Some(item) => Ok(item),
            None => Err(self.missing(name)),
        }
    }

    /// The value of a field that must be there by one of several names.
    ///
    /// # Errors
    /// When it is not, or by two of them.
    pub fn required_any(&mut self, names: &[&'static str]) -> Result<Item<'a>, Problem> {
        match self.take_any(names)? {
            Some(item) => Ok(item),
            None => Err(self.missing(names.first().copied().unwrap_or_default())),
        }
    }

    fn missing(&self, name: &str) -> Problem {
        let place = self.start();
        let problem = place.problem(format!("{} has no `{name}`, which it needs", self.what));
        // A name that is nearly it is what was meant.
        let untaken = self.entries.iter().filter(|(_, is_taken)| !is_taken);
        match crate::nearest(name, untaken.map(|(entry, _)| entry.key.as_str())) {
            Some(near) => problem.help(format!("there is `{near}`: should it be `{name}`?")),
            None => problem,
        }
    }

    /// The place of the map's first name: the map itself may be long.
    fn start(&self) -> Place {
        match self.entries.first() {
            Some((entry, _)) => self.item.place_of(Span {
                start: self.item.value.span.start.min(entry.key_span.start),
                end: entry.key_span.end,
            }),
            None => self.item.place(),
        }
    }

    /// Something is wrong with the map as a whole.
    #[must_use]
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        self.start().problem(message)
    }

    /// The fields that were asked for so far.
    #[must_use]
    pub fn known(&self) -> &[&'static str] {
        &self.known
    }

    /// Refuses fields that a reader of the language would expect, but that there are not here: `why` follows their name.
    ///
    /// # Errors
    /// When one of them is there.
    pub fn refuse(&self, names: &[&str], why: &str) -> Result<(), Problem> {
        let found = |(entry, _): &&(&Entry, bool)| names.contains(&entry.key.as_str());
        match self.entries.iter().find(found) {
            None => Ok(()),
            Some((entry, _)) => {
                let place = Place {
                    path: self.item.under(&entry.key),
                    ..self.item.place_of(entry.key_span)
                };
                Err(place.problem(format!("`{}` {why}", entry.key)))
            }
        }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// When there is a field that was not asked for.
    pub fn finish(self) -> Result<(), Problem> {
        let Some((entry, _)) = self.entries.iter().find(|(_, is_taken)| !is_taken) else {
            return Ok(());
        };
        let place = Place {
            path: self.item.under(&entry.key),
            ..self.item.place_of(entry.key_span)
        };
        let mut problem = place.problem(format!("{} has no field `{}`", self.what, entry.key));
        // `{mode: u=rwX,go=rX}` has two fields, the second without a value.
        problem.help = match entry.value.kind == Kind::Null && entry.key.contains(['=', ' ']) {
            true => Some("a text with a comma stands in quotes between braces".to_owned()),
            false => suggest(&entry.key, self.known.iter().copied()),
        };
        Err(problem)
    }
}

#[cfg(test)]
mod tests;
