//! The names of a pipeline and its libraries, and what each stands for.

use std::collections::BTreeMap;

use stromatekt_pipeline::{Item, Place, Problem, suggest};

use crate::names::{self, CONTEXT, Reference, SCRATCH};
use crate::spec::{UnitId, Use};

/// The unit that is the empty tree.
pub const SCRATCH_UNIT: UnitId = UnitId(0);
/// The unit that is the build context.
pub const CONTEXT_UNIT: UnitId = UnitId(1);

/// The names of all files.
#[derive(Debug, Default)]
pub struct Names {
    /// Those of each file.
    pub modules: Vec<BTreeMap<String, Named>>,
}

/// What a name stands for.
#[derive(Debug)]
pub struct Named {
    /// Where it is given.
    pub place: Place,
    /// What it is, for errors: `a task`.
    pub title: &'static str,
    /// What it is.
    pub what: What,
}

/// What a name stands for.
#[derive(Debug)]
pub enum What {
    /// A unit.
    Unit(UnitId),
    /// A unit for each combination of a matrix.
    Matrix(Vec<(Vec<String>, UnitId)>),
    /// A library, by the number of its file.
    Library(usize),
}

impl Names {
    /// Gives a name; no name is given twice in a file.
    pub fn give(&mut self, module: usize, name: &str, named: Named) -> Result<(), Problem> {
        names::check(name, &named.place)?;
        let names = &mut self.modules[module];
        if let Some(known) = names.get(name) {
            return Err(named
                .place
                .problem(format!("`{name}` is the name of {} already", known.title))
                .help("give one of them another name")
                .also(
                    format!("{} with this name", known.title),
                    known.place.clone(),
                ));
        }
        names.insert(name.to_owned(), named);
        Ok(())
    }

    /// The unit that a text of a file refers to.
    pub fn resolve(&self, module: usize, item: &Item<'_>) -> Result<Use, Problem> {
        let place = item.place();
        self.resolve_text(module, &item.non_empty_text()?, &place)
    }

    /// As [`Names::resolve`], where layers of a unit make no sense.
    pub fn resolve_whole(&self, module: usize, item: &Item<'_>) -> Result<Use, Problem> {
        let found = self.resolve(module, item)?;
        match found.layers {
            None => Ok(found),
            Some(_) => Err(item.problem("single layers cannot be used here").help(
                "name the whole, or stack the layers in a task: `on: [scratch, NAME.layers[0]]`",
            )),
        }
    }

    /// The unit that a text refers to.
    pub fn resolve_text(&self, module: usize, text: &str, place: &Place) -> Result<Use, Problem> {
        let found = |unit, layers| Use {
            unit,
            layers,
            name: text.to_owned(),
            place: place.clone(),
        };
        let reference = names::parse(text, place)?;
        let mut module = module;
        for (at, library) in reference.libraries.iter().enumerate() {
            let outer = &reference.libraries[..at];
            module = match self.find(module, outer, library, place)?.what {
                What::Library(library) => library,
                _ => {
                    return Err(place.problem(format!(
                        "`{library}` is no import, so there is nothing in it that could be named"
                    )));
                }
            };
        }
        let built_in = match (reference.libraries.as_slice(), reference.name.as_str()) {
            ([], SCRATCH) => Some(SCRATCH_UNIT),
            ([], CONTEXT) => Some(CONTEXT_UNIT),
            _ => None,
        };
        let unit = match built_in {
            Some(unit) if reference.combination.is_empty() => unit,
            Some(_) => return Err(no_matrix(&reference.name, place)),
            None => {
                let named = self.find(module, &reference.libraries, &reference.name, place)?;
                one_of(named, &reference, place)?
            }
        };
        Ok(found(unit, reference.layers))
    }

    /// What a name stands for in a file, which these libraries lead to.
    fn find(
        &self,
        module: usize,
        libraries: &[String],
        name: &str,
        place: &Place,
    ) -> Result<&Named, Problem> {
        let names = &self.modules[module];
        let known = names.keys();
        names.get(name).ok_or_else(|| match libraries {
            [] => {
                let mut problem = place.problem(format!("nothing here is called `{name}`"));
                let known = known.map(String::as_str).chain([CONTEXT, SCRATCH]);
                problem.help = suggest(name, known);
                problem
            }
            libraries => {
                let library = libraries.join(".");
                let known: Vec<String> = known.map(|known| format!("{library}.{known}")).collect();
                let text = format!("nothing in `{library}` is called `{name}`");
                let mut problem = place.problem(text);
                let name = format!("{library}.{name}");
                problem.help = suggest(&name, known.iter().map(String::as_str));
                problem
            }
        })
    }
}

fn no_matrix(name: &str, place: &Place) -> Problem {
    place
        .problem(format!("`{name}` has no matrix"))
        .help(format!("write `{name}`"))
}

fn one_of(named: &Named, reference: &Reference, place: &Place) -> Result<UnitId, Problem> {
    let name = &reference.name;
    match &named.what {
        What::Unit(unit) if reference.combination.is_empty() => Ok(*unit),
        What::Unit(_) => Err(no_matrix(name, place).also(format!("`{name}`"), named.place.clone())),
        What::Matrix(combinations) => {
            let wanted = &reference.combination;
            let found = combinations.iter().find(|(values, _)| values == wanted);
            found.map(|(_, unit)| *unit).ok_or_else(|| {
                let all: Vec<String> = combinations
                    .iter()
                    .map(|(values, _)| names::with_combination(name, values))
                    .collect();
                let text = names::with_combination(name, wanted);
                let mut problem = match wanted.as_slice() {
                    [] => place.problem(format!("`{name}` has a matrix: say which one")),
                    _ => place.problem(format!("there is no `{text}`")),
                };
                problem.help = suggest(&text, all.iter().map(String::as_str));
                problem.also(format!("`{name}`"), named.place.clone())
            })
        }
        What::Library(_) => Err(place
            .problem(format!("`{name}` is a library"))
            .help(format!("name something in it: `{name}.NAME`"))
            .also("imported here", named.place.clone())),
    }
}
