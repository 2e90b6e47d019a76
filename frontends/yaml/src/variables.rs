//! The variables of each file: declared there, set by an import or on the command line, and those that are always there.

use std::collections::HashMap;

use stromatekt_oci::platform::Platform;
use stromatekt_pipeline::{Entry, Item, Kind, Options, Problem, suggest};

use crate::expand::{Scope, expand_text};
use crate::load::{Module, Pipeline};
use crate::names;

/// What BuildKit takes as build args without a declaration, and so does this.
const UNDECLARED: [&str; 6] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SOURCE_DATE_EPOCH",
];

/// The variables of each file, where an image for `target` is built.
pub fn scopes(
    pipeline: &Pipeline,
    options: &Options,
    target: &Platform,
) -> Result<Vec<Scope>, Problem> {
    let always = always(target, &options.host);
    let mut scopes: Vec<Scope> = Vec::with_capacity(pipeline.modules.len());
    // An import stands before the file that it names.
    let mut set: HashMap<usize, (usize, &[Entry])> = HashMap::new();
    for (number, module) in pipeline.modules.iter().enumerate() {
        let mut given = HashMap::new();
        if number == 0 {
            let values = options.variables.iter();
            given.extend(values.filter_map(|(name, value)| Some((name.clone(), value.clone()?))));
        }
        if let Some((importer, entries)) = set.get(&number) {
            let importer_module = &pipeline.modules[*importer];
            let declared = declared(module)?;
            for entry in *entries {
                let place = importer_module
                    .document
                    .place(entry.key_span, &format!("import.variables.{}", entry.key));
                if !declared.iter().any(|(name, _)| *name == entry.key) {
                    let message = format!("the library has no variable `{}`", entry.key);
                    let mut problem = place.problem(message);
                    problem.help = suggest(&entry.key, declared.iter().map(|(name, _)| *name));
                    return Err(problem);
                }
                let path = format!("import.variables.{}", entry.key);
                let item = Item::at(&importer_module.document.file, &entry.value, path);
                let text = expand_text(&item.text()?, &scopes[*importer], &item.place())?;
                given.insert(entry.key.clone(), text);
            }
        }
        scopes.push(of_module(module, &given, &always)?);
        for import in &module.imports {
            if !import.variables.is_empty() {
                set.insert(import.module, (number, &import.variables));
            }
        }
    }
    Ok(scopes)
}

/// Whether a variable of the command line is for all that is built, whatever declares it.
pub fn needs_no_declaration(name: &str) -> bool {
    let mut names = UNDECLARED.iter();
    names.any(|known| known.eq_ignore_ascii_case(name))
}

/// What was given on the command line and nothing declares.
pub fn unused(pipeline: &Pipeline, options: &Options) -> Result<Vec<String>, Problem> {
    let declared = match pipeline.modules.first() {
        Some(module) => declared(module)?,
        None => Vec::new(),
    };
    let unused = options.variables.keys().filter(|name| {
        !declared.iter().any(|(known, _)| known == name) && !needs_no_declaration(name)
    });
    Ok(unused.cloned().collect())
}

fn declared(module: &Module) -> Result<Vec<(&str, Item<'_>)>, Problem> {
    let mut top = module.document.top().fields("a pipeline")?;
    let Some(item) = top.take("variables") else {
        return Ok(Vec::new());
    };
    let entries = item.entries()?;
    for entry in &entries {
        if !names::is_name(entry.name) {
            return Err(entry
                .name_place
                .problem(format!("`{}` cannot be the name of a variable", entry.name))
                .help("names are made of letters, digits, `-` and `_`"));
        }
    }
    Ok(entries
        .into_iter()
        .map(|entry| (entry.name, entry.item))
        .collect())
}

fn of_module(
    module: &Module,
    given: &HashMap<String, String>,
    always: &Scope,
) -> Result<Scope, Problem> {
    let mut scope = always.clone();
    for (name, item) in declared(module)? {
        let text = match (given.get(name), item.kind()) {
            (Some(text), _) => Some(text.clone()),
            (None, Kind::Null) => None,
            // Those before it hold already.
            (None, _) => Some(expand_text(&item.text()?, &scope, &item.place())?),
        };
        scope.variables.insert(name.to_owned(), text);
    }
    Ok(scope)
}

/// The variables that are always there. Nobody can declare names with dots.
fn always(target: &Platform, host: &Platform) -> Scope {
    let mut scope = Scope::default();
    for (what, platform) in [("target", target), ("host", host)] {
        let variant = platform.variant.clone().unwrap_or_default();
        for (name, text) in [
            ("platform", platform.to_string()),
            ("os", platform.os.clone()),
            ("arch", platform.architecture.clone()),
            ("variant", variant),
        ] {
            scope.variables.insert(format!("{what}.{name}"), Some(text));
        }
    }
    scope
}
