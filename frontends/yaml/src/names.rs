//! Names of things in a pipeline, and how one thing refers to another: `tools.gcc[12].layers[1..3]`.

use stromatekt_pipeline::{Place, Problem};

/// The build context.
pub const CONTEXT: &str = "context";
/// The empty tree.
pub const SCRATCH: &str = "scratch";
/// What single layers are called by.
const LAYERS: &str = "layers";

/// What a text refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The libraries that lead there, outermost first.
    pub libraries: Vec<String>,
    /// The name there.
    pub name: String,
    /// Which one of a matrix: a value for each of its variables.
    pub combination: Vec<String>,
    /// Single layers of it, the first and the last one.
    pub layers: Option<(usize, usize)>,
}

/// Whether a text is a name.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    !text.is_empty() && text.chars().all(is_letter)
}

/// Whether something may be called so.
#[must_use]
pub fn check_text(name: &str) -> bool {
    is_name(name) && ![CONTEXT, SCRATCH, LAYERS].contains(&name)
}

/// Checks a name that something is given.
pub fn check(name: &str, place: &Place) -> Result<(), Problem> {
    if !is_name(name) {
        return Err(place
            .problem(format!("`{name}` cannot be a name"))
            .help("names are made of letters, digits, `-` and `_`"));
    }
    if !check_text(name) {
        return Err(place
            .problem(format!("the name `{name}` has a meaning of its own"))
            .help("give it another one"));
    }
    Ok(())
}

/// Reads what a text refers to.
pub fn parse(text: &str, place: &Place) -> Result<Reference, Problem> {
    let wrong = || {
        let problem = place.problem(format!("`{text}` refers to nothing that there can be"));
        problem.help(match text.contains([':', '/']) {
            true => "images and directories get a name under `bases` or `sources`, by which they are called",
            false => "write NAME, LIBRARY.NAME, NAME[VALUE], NAME.layers[0] or NAME.layers[1..3]",
        })
    };
    let mut reference = Reference {
        libraries: Vec::new(),
        name: String::new(),
        combination: Vec::new(),
        layers: None,
    };
    let mut rest = text;
    loop {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        let (inside, behind) = match behind.strip_prefix('[') {
            Some(bracket) => match bracket.split_once(']') {
                Some((inside, behind)) => (Some(inside), behind),
                None => return Err(wrong()),
            },
            None => (None, behind),
        };
        if !is_name(word) {
            return Err(wrong());
        }
        let is_last = behind.is_empty();
        match (word, inside) {
            (LAYERS, Some(range)) if is_last && !reference.name.is_empty() => {
                reference.layers = Some(parse_range(range).ok_or_else(wrong)?);
            }
            (LAYERS, _) => return Err(wrong()),
            (word, inside) => {
                // What was taken for the name was a library's.
                if !reference.name.is_empty() {
                    if !reference.combination.is_empty() {
                        return Err(wrong());
                    }
                    reference
                        .libraries
                        .push(std::mem::take(&mut reference.name));
                }
                word.clone_into(&mut reference.name);
                if let Some(inside) = inside {
                    let values = inside.split(',').map(|value| value.trim().to_owned());
                    reference.combination = values.collect();
                }
            }
        }
        if is_last {
            return Ok(reference);
        }
        rest = behind.strip_prefix('.').ok_or_else(wrong)?;
    }
}

/// `2` or `1..3`, both ends included.
fn parse_range(text: &str) -> Option<(usize, usize)> {
    let number = |text: &str| text.trim().parse::<usize>().ok();
    let (first, last) = match text.split_once("..") {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    (first <= last).then_some((first, last))
}

/// The name of one of a matrix.
#[must_use]
pub fn with_combination(name: &str, combination: &[String]) -> String {
    match combination {
        [] => name.to_owned(),
        values => format!("{name}[{}]", values.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            file: "p.yaml".into(),
            span: Default::default(),
            path: String::new(),
        }
    }

    #[test]
    fn references_have_libraries_combinations_and_layers() {
        let parsed = |text: &str| {
            let reference = parse(text, &place()).expect(text);
            (
                reference.libraries.join("."),
                reference.name,
                reference.combination.join("|"),
                reference.layers,
            )
        };
        let expected = |libraries: &str, name: &str, combination: &str, layers| {
            (
                libraries.to_owned(),
                name.to_owned(),
                combination.to_owned(),
                layers,
            )
        };
        assert_eq!(parsed("app"), expected("", "app", "", None));
        assert_eq!(parsed("a.b.app"), expected("a.b", "app", "", None));
        assert_eq!(parsed("app[3.11]"), expected("", "app", "3.11", None));
        assert_eq!(
            parsed("t.app[3.11, slim].layers[1..3]"),
            expected("t", "app", "3.11|slim", Some((1, 3)))
        );
        assert_eq!(parsed("d.layers[0]"), expected("", "d", "", Some((0, 0))));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            ".",
            "a.",
            ".a",
            "a b",
            "a[",
            "a]",
            "a[1]b",
            "a.layers",
            "layers[0]",
            "a.layers[]",
            "a.layers[x]",
            "a.layers[2..1]",
            "a.layers[0].b",
            "a[1].b",
            "a[1][2]",
            "debian:12",
        ] {
            assert!(parse(text, &place()).is_err(), "{text}");
        }
        for name in ["context", "scratch", "layers", "", "a.b", "a b"] {
            assert!(check(name, &place()).is_err(), "{name}");
        }
        assert!(check("a-b_c9", &place()).is_ok());
    }
}
