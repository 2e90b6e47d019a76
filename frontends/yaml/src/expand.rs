//! `${NAME}` in the texts of a file. `$${` is `${` itself: the shell's own variables are `$NAME`, or `$${NAME}`.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use stromatekt_pipeline::{Entry, Kind, Place, Problem, Span, Value, suggest};

/// How many bytes variables may put into the texts of a pipeline: variables of variables grow fast.
const INSERTED: usize = 64 << 20;

/// The variables that hold somewhere.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Their texts; nothing for one that must be given and was not.
    pub variables: BTreeMap<String, Option<String>>,
    /// How many bytes were put into texts so far, by this scope and those that it was made of.
    inserted: Rc<Cell<usize>>,
}

impl Scope {
    /// With one more, or another text for one.
    #[must_use]
    pub fn with(&self, name: &str, text: &str) -> Self {
        let mut scope = self.clone();
        let text = Some(text.to_owned());
        scope.variables.insert(name.to_owned(), text);
        scope
    }
}

/// Expands all texts of a value, names of maps included.
pub fn expand(value: &Value, scope: &Scope, file: &Arc<str>, path: &str) -> Result<Value, Problem> {
    let place = |span: Span, path: &str| Place {
        file: Arc::clone(file),
        span,
        path: path.to_owned(),
    };
    let kind = match &value.kind {
        Kind::String(text) => {
            let expanded = expand_text(text, scope, &place(value.span, path))?;
            match is_one_variable(text) {
                true => as_written(expanded),
                false => Kind::String(expanded),
            }
        }
        Kind::List(values) => {
            let values = values
                .iter()
                .enumerate()
                .map(|(index, value)| expand(value, scope, file, &format!("{path}[{index}]")));
            Kind::List(values.collect::<Result<_, _>>()?)
        }
        Kind::Map(entries) => {
            let mut names = BTreeSet::new();
            let mut expanded = Vec::with_capacity(entries.len());
            for entry in entries {
                let path = match path {
                    "" => entry.key.clone(),
                    path => format!("{path}.{}", entry.key),
                };
                let at = place(entry.key_span, &path);
                let key = expand_text(&entry.key, scope, &at)?;
                if !names.insert(key.clone()) {
                    return Err(at.problem(format!("`{key}` is there twice")));
                }
                expanded.push(Entry {
                    key,
                    key_span: entry.key_span,
                    value: expand(&entry.value, scope, file, &path)?,
                });
            }
            Kind::Map(expanded)
        }
        other => other.clone(),
    };
    Ok(Value {
        kind,
        span: value.span,
    })
}

/// Whether a text is a variable and nothing else.
fn is_one_variable(text: &str) -> bool {
    let name = text
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.contains(['$', '{', '}']))
}

/// What the text of a variable would be in its place: numbers and booleans are such, and count as texts where those are wanted.
fn as_written(text: String) -> Kind {
    let digits = text.strip_prefix('-').unwrap_or(&text);
    match text.as_str() {
        "true" => Kind::Bool(true),
        "false" => Kind::Bool(false),
        _ if !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            Kind::Number(text)
        }
        _ => Kind::String(text),
    }
}

/// Expands a text.
pub fn expand_text(text: &str, scope: &Scope, place: &Place) -> Result<String, Problem> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, behind) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = &behind[2..];
            continue;
        }
        expanded.push_str(before);
        let Some((name, behind)) = behind[2..].split_once('}') else {
            return Err(place
                .problem("`${` has no `}`")
                .help("write `$${` for these two characters themselves"));
        };
        match scope.variables.get(name) {
            Some(Some(value)) => {
                scope.inserted.set(scope.inserted.get() + value.len());
                if scope.inserted.get() > INSERTED {
                    return Err(place.problem(format!(
                        "variables put more than {INSERTED} bytes into the texts of this pipeline"
                    )));
                }
                expanded.push_str(value);
            }
            Some(None) => {
                return Err(place
                    .problem(format!("the variable `{name}` has no text"))
                    .help(format!("give it one with --build-arg {name}=…")));
            }
            None => return Err(undefined(name, scope, place)),
        }
        rest = behind;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn undefined(name: &str, scope: &Scope, place: &Place) -> Problem {
    let known = scope.variables.keys().map(String::as_str);
    let shell = format!("write `$${{{name}}}` for a variable of the shell");
    let help = match suggest(name, known) {
        Some(words) => format!("{shell}; {words}"),
        None => shell,
    };
    place
        .problem(format!("there is no variable `{name}`"))
        .help(help)
}

/// A text that expands to this one.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place() -> Place {
        Place {
            file: "p.yaml".into(),
            span: Span::default(),
            path: String::new(),
        }
    }

    fn scope() -> Scope {
        let mut scope = Scope::default().with("a", "1").with("target.os", "linux");
        scope.variables.insert("none".to_owned(), None);
        scope
    }

    #[test]
    fn variables_are_replaced_and_double_dollars_escape() {
        for (text, expanded) in [
            ("x${a}y${target.os}", "x1ylinux"),
            ("$a $$ $(a) {a}", "$a $$ $(a) {a}"),
            ("$${a}", "${a}"),
            ("$$${a}", "$${a}"),
            ("$${${a}", "${1"),
        ] {
            assert_eq!(
                expand_text(text, &scope(), &place()).as_deref(),
                Ok(expanded),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_defined_is_an_error_that_says_so() {
        let problem = |text: &str| expand_text(text, &scope(), &place()).expect_err(text);
        assert!(problem("${a").message.contains("no `}`"));
        assert!(problem("${none}").message.contains("has no text"));
        let unknown = problem("${target.so}");
        assert_eq!(unknown.message, "there is no variable `target.so`");
        let help = unknown.help.unwrap_or_default();
        assert!(
            help.contains("did you mean `target.os`?") && help.contains("$${target.so}"),
            "{help}"
        );
    }

    #[test]
    fn variables_of_variables_do_not_grow_without_end() {
        let mut scope = scope();
        let mut last = Ok(String::new());
        for number in 0..40 {
            let before = if number == 0 {
                "a".to_owned()
            } else {
                format!("v{}", number - 1)
            };
            last = expand_text(&format!("${{{before}}}").repeat(10), &scope, &place());
            match &last {
                Ok(text) => scope = scope.with(&format!("v{number}"), text),
                Err(_) => break,
            }
        }
        assert!(
            last.expect_err("it is too long")
                .message
                .contains("more than")
        );
    }

    proptest! {
        #[test]
        fn an_escaped_text_expands_to_itself(text in "[${}a ]{0,12}") {
            prop_assert_eq!(expand_text(&escape(&text), &scope(), &place()), Ok(text));
        }
    }
}
