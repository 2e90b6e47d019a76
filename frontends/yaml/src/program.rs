//! A pipeline read for one platform: its units and images, each with its names resolved.

use std::rc::Rc;
use std::sync::Arc;

use stromatekt_oci::platform::Platform;
use stromatekt_pipeline::{Entry, Item, Kind, Options, Place, Problem, Span, Value};

use crate::expand::{Scope, expand};
use crate::load::{Module, Pipeline};
use crate::names::{self, with_combination};
use crate::read::{self, Reading};
use crate::scope::{Named, Names, What};
use crate::spec::{Image, Spec, Unit, UnitId};
use crate::variables;

/// The field whose variables repeat what it stands in.
const MATRIX: &str = "matrix";
/// How many combinations a matrix may have.
const COMBINATIONS: usize = 1000;

/// A pipeline read for one platform.
#[derive(Debug)]
pub struct Program {
    /// The units.
    pub units: Vec<Unit>,
    /// The images of the main file and its libraries.
    pub images: Vec<Image>,
    /// The names.
    pub names: Names,
}

/// The sections of a file with units, and what an entry of each is called.
const SECTIONS: [(&str, &str); 3] = [
    ("bases", "a base"),
    ("sources", "a source"),
    ("tasks", "a task"),
];

/// Something that is declared and not read yet.
struct Declared<'a> {
    module: usize,
    section: &'static str,
    entry: &'a Entry,
    /// Its value without its matrix, which was read already: each combination would read it again.
    value: Rc<Value>,
    name: String,
    place: Place,
    scope: Scope,
}

impl Program {
    /// Reads all of a pipeline.
    pub fn read(
        pipeline: &Pipeline,
        options: &Options,
        target: &Platform,
    ) -> Result<Self, Problem> {
        let scopes = variables::scopes(pipeline, options, target)?;
        let nowhere = match pipeline.modules.first() {
            Some(module) => module.document.place(Span::default(), ""),
            None => {
                return Ok(Self {
                    units: Vec::new(),
                    images: Vec::new(),
                    names: Names::default(),
                });
            }
        };
        let built_in = |name: &str, spec| Unit {
            name: name.to_owned(),
            place: nowhere.clone(),
            spec,
        };
        let mut units = vec![
            built_in(names::SCRATCH, Spec::Scratch),
            built_in(
                names::CONTEXT,
                Spec::Directory(names::CONTEXT.to_owned(), None),
            ),
        ];
        let mut names = Names::default();
        names
            .modules
            .resize_with(pipeline.modules.len(), Default::default);
        let mut declared = Vec::new();
        let mut images = Vec::new();
        for (number, module) in pipeline.modules.iter().enumerate() {
            for import in &module.imports {
                let named = Named {
                    place: import.place.clone(),
                    title: "an import",
                    what: What::Library(import.module),
                };
                names.give(number, &import.name, named)?;
            }
            for (section, title) in SECTIONS {
                for entry in entries(module, section)? {
                    let place = key_place(module, section, entry);
                    let found = combinations(number, module, section, entry, &scopes[number])?;
                    let first = units.len() + declared.len();
                    let unit = |index: usize| UnitId(first + index);
                    let what = match found.as_slice() {
                        [(values, _)] if values.is_empty() => What::Unit(unit(0)),
                        several => {
                            let several = several.iter().enumerate();
                            let several =
                                several.map(|(index, (values, _))| (values.clone(), unit(index)));
                            What::Matrix(several.collect())
                        }
                    };
                    let named = Named { place, title, what };
                    names.give(number, &entry.key, named)?;
                    declared.extend(found.into_iter().map(|(_, declared)| declared));
                }
            }
            for entry in entries(module, "images")? {
                names::check(&entry.key, &key_place(module, "images", entry))?;
                let found = combinations(number, module, "images", entry, &scopes[number])?;
                images.extend(found.into_iter().map(|(_, declared)| declared));
            }
        }
        let reading = |module: usize| Reading {
            names: &names,
            module,
            directory: &pipeline.modules[module].directory,
            library: &pipeline.modules[module].library,
            target,
            host: &options.host,
        };
        for declared in declared {
            let module = &pipeline.modules[declared.module];
            let spec = declared.read(module, |item| {
                let reading = reading(declared.module);
                match declared.section {
                    "bases" => read::base(item, &reading),
                    "sources" => read::source(&declared.entry.key, item, &reading),
                    _ => read::task(item, &reading),
                }
            })?;
            units.push(Unit {
                name: declared.name,
                place: declared.place,
                spec,
            });
        }
        let mut read_images = Vec::new();
        for declared in images {
            let module = &pipeline.modules[declared.module];
            let image = declared.read(module, |item| {
                let (name, place) = (declared.name.clone(), declared.place.clone());
                read::image(name, place, item, &reading(declared.module))
            })?;
            read_images.push(image);
        }
        Ok(Self {
            units,
            images: read_images,
            names,
        })
    }

    /// The unit of an id.
    pub fn unit(&self, id: UnitId) -> &Unit {
        &self.units[id.0]
    }
}

impl Declared<'_> {
    /// Reads it, its texts expanded.
    fn read<T>(
        &self,
        module: &Module,
        read: impl FnOnce(&Item<'_>) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let file: &Arc<str> = &module.document.file;
        let path = format!("{}.{}", self.section, self.entry.key);
        let value = expand(&self.value, &self.scope, file, &path)?;
        read(&Item::at(file, &value, path))
    }
}

fn entries<'a>(module: &'a Module, section: &'static str) -> Result<&'a [Entry], Problem> {
    let mut top = module.document.top().fields("a pipeline")?;
    match top.take(section) {
        Some(item) => {
            item.entries()?;
            match &item.value().kind {
                Kind::Map(entries) => Ok(entries),
                _ => Ok(&[]),
            }
        }
        None => Ok(&[]),
    }
}

fn key_place(module: &Module, section: &str, entry: &Entry) -> Place {
    module
        .document
        .place(entry.key_span, &format!("{section}.{}", entry.key))
}

/// One declaration, or one for each combination of its matrix.
fn combinations<'a>(
    number: usize,
    module: &Module,
    section: &'static str,
    entry: &'a Entry,
    scope: &Scope,
) -> Result<Vec<(Vec<String>, Declared<'a>)>, Problem> {
    let place = key_place(module, section, entry);
    let mut found = vec![(Vec::new(), scope.clone())];
    if let Some(matrix) = matrix(module, section, entry, scope)? {
        for (name, values) in matrix {
            if found.len().saturating_mul(values.len()) > COMBINATIONS {
                return Err(too_many(&place));
            }
            let more = found.iter().flat_map(|(combination, scope)| {
                values.iter().map(|value| {
                    let combination = combination.iter().chain([value]).cloned().collect();
                    (combination, scope.with(&name, value))
                })
            });
            found = more.collect();
        }
    }
    let value = Rc::new(without_matrix(section, &entry.value));
    let declared = found.into_iter().map(|(combination, scope)| {
        let name = with_combination(&entry.key, &combination);
        let declared = Declared {
            module: number,
            section,
            entry,
            value: Rc::clone(&value),
            name: match module.library.as_str() {
                "" => name,
                library => format!("{library}.{name}"),
            },
            place: place.clone(),
            scope,
        };
        (combination, declared)
    });
    Ok(declared.collect())
}

/// A value whose matrix, where it can have one, is there without what it says.
fn without_matrix(section: &str, value: &Value) -> Value {
    let mut value = value.clone();
    if let Kind::Map(fields) = &mut value.kind
        && let Some(matrix) = fields.iter_mut().find(|field| is_matrix(section, field))
    {
        matrix.value.kind = Kind::Null;
    }
    value
}

fn is_matrix(section: &str, field: &Entry) -> bool {
    matches!(section, "tasks" | "images") && field.key == MATRIX
}

fn too_many(place: &Place) -> Problem {
    place.problem(format!(
        "this matrix has more than {COMBINATIONS} combinations"
    ))
}

type Matrix = Vec<(String, Vec<String>)>;

fn matrix(
    module: &Module,
    section: &'static str,
    entry: &Entry,
    scope: &Scope,
) -> Result<Option<Matrix>, Problem> {
    let Kind::Map(fields) = &entry.value.kind else {
        return Ok(None);
    };
    let Some(field) = fields.iter().find(|field| is_matrix(section, field)) else {
        return Ok(None);
    };
    let file = &module.document.file;
    let path = format!("{section}.{}.{MATRIX}", entry.key);
    let value = expand(&field.value, scope, file, &path)?;
    let item = Item::at(file, &value, path);
    let mut matrix = Vec::new();
    for axis in item.entries()? {
        if !names::is_name(axis.name) || scope.variables.contains_key(axis.name) {
            return Err(axis
                .name_place
                .problem(format!("`{}` cannot be a variable of a matrix", axis.name))
                .help("its names are made of letters, digits, `-` and `_`, and are those of no other variable"));
        }
        let items = axis.item.list()?;
        if items.is_empty() {
            return Err(axis.item.problem(format!("`{}` has no values", axis.name)));
        }
        if items.len() > COMBINATIONS {
            return Err(too_many(&axis.item.place()));
        }
        let mut values: Vec<String> = Vec::with_capacity(items.len());
        for item in &items {
            let value = value_of_matrix(item)?;
            if let Some(first) = values.iter().position(|known| *known == value) {
                return Err(item
                    .problem(format!("`{value}` is there twice"))
                    .also("it is here first", items[first].place()));
            }
            values.push(value);
        }
        matrix.push((axis.name.to_owned(), values));
    }
    match matrix.is_empty() {
        true => Err(item.problem("this matrix has no variables")),
        false => Ok(Some(matrix)),
    }
}

fn value_of_matrix(item: &Item<'_>) -> Result<String, Problem> {
    let text = item.text()?;
    match text.is_empty() || text.trim() != text || text.contains([',', '[', ']']) {
        true => Err(item
            .problem(format!("`{text}` cannot be a value of a matrix"))
            .help("values have no commas, no brackets and no spaces around them")),
        false => Ok(text),
    }
}
